// The week of nights as something to draw in: a drag in a night chooses a time, a drag of a reservation moves it, at its
// edges it changes how long it is. All of it goes into the form beside it; nothing is sent from here.
import { now } from "./clock.js";
import { text } from "./texts.js";
import { isKnown, read, written } from "./zones.js";

const SVG = "http://www.w3.org/2000/svg";
const MINUTE_MS = 60000;
const STEP_MS = 15 * MINUTE_MS;
const FIRST_MS = 60 * MINUTE_MS;
const LONGEST_MS = 24 * 60 * MINUTE_MS;
const EDGE_PX = 8;
const STIRRED_PX = 4;
const NOW_EVERY_MS = 30000;

export function startWeek(form) {
  return new Week(form, document.querySelector("[data-week]"));
}

class Week {
  constructor(form, place) {
    this.form = form;
    this.place = place;
    this.fault = "";
    const zone = form.elements.clock.value;
    this.zone = isKnown(zone) ? zone : null; // then nothing can be drawn in: it would be at another time
    this.choice = document.querySelector("[data-choice]");
    const handle = { pointerdown: this.press, pointermove: this.move, keydown: this.key };
    for (const [kind, does] of Object.entries(handle)) {
      place.addEventListener(kind, (event) => {
        const strip = event.target.closest(".strip");
        if (strip) does.call(this, event, strip);
      });
    }
    for (const end of ["pointerup", "pointercancel"]) place.addEventListener(end, () => (this.drag = null));
    place.addEventListener("click", (event) => {
      const link = event.target.closest("[data-take]");
      if (!link || !this.zone) return;
      event.preventDefault();
      this.form.closest("section").scrollIntoView();
      this.choose(Number(link.dataset.start), Number(link.dataset.end));
      this.form.querySelector("button.btn-accent").focus({ preventScroll: true });
    });
    this.dress(document);
    document.addEventListener("jobs:coming", ({ detail: fresh }) => this.dress(fresh));
    setInterval(() => this.dress(document), NOW_EVERY_MS);
  }

  // Make plain nights, those of the page or those that are about to become it, ones that can be drawn in.
  dress(root) {
    for (const strip of root.querySelectorAll("[data-week] .strip")) {
      strip.setAttribute("tabindex", "0");
      for (const held of strip.querySelectorAll("[data-event]")) {
        held.setAttribute("tabindex", "0");
        held.setAttribute("role", "button");
      }
      const [from, to, at] = [Number(strip.dataset.from), Number(strip.dataset.to), now()];
      mark(strip, "now-mark", from <= at && at < to && { x: along(strip, at), y: 0, width: 3, height: 28 });
      this.drawIn(strip);
    }
  }

  // What is reserved, in a text that differs when it does.
  held() {
    return Array.from(this.place.querySelectorAll(".held"), ({ dataset: { key, start, end } }) => `${key} ${start} ${end}`).join();
  }

  // The time under the pointer.
  at(event, strip) {
    const box = strip.getBoundingClientRect();
    const part = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    return Number(strip.dataset.from) + part * (strip.dataset.to - strip.dataset.from);
  }

  press(event, strip) {
    if (event.button) return;
    const at = this.at(event, strip);
    const held = event.target.closest("[data-event], .draft");
    this.drag = { x: event.clientX, at, fixed: round(at), pointer: event.pointerId };
    if (!held) return;
    const [start, end] = held.classList.contains("draft") ? this.chosen() : [Number(held.dataset.start), Number(held.dataset.end)];
    const box = held.getBoundingClientRect();
    const edge = Math.min(EDGE_PX, box.width / 4);
    if (held.dataset.event) this.take(held);
    if (event.clientX > box.right - edge) this.drag.fixed = start;
    else if (event.clientX < box.left + edge) this.drag.fixed = end;
    else Object.assign(this.drag, { whole: true, start, length: end - start });
    event.preventDefault();
  }

  move(event, strip) {
    const { drag } = this;
    if (!drag || event.pointerId !== drag.pointer) return;
    if (!drag.stirred && Math.abs(event.clientX - drag.x) < STIRRED_PX) return;
    if (!drag.stirred) strip.setPointerCapture(event.pointerId);
    drag.stirred = true;
    const at = this.at(event, strip);
    if (drag.whole) {
      const start = round(drag.start + at - drag.at);
      this.choose(start, start + drag.length);
    } else {
      const other = round(at);
      this.choose(Math.min(drag.fixed, other), Math.max(drag.fixed, other, Math.min(drag.fixed, other) + STEP_MS));
    }
  }

  key(event, strip) {
    const held = event.target.closest("[data-event]");
    const [start, end] = this.chosen();
    const chosen = start < end;
    const steps = { ArrowLeft: -STEP_MS, ArrowRight: STEP_MS, ArrowUp: -FIRST_MS, ArrowDown: FIRST_MS }[event.key];
    if (event.key === "Enter" || event.key === " ") {
      if (held && this.form.elements.event_id.value !== held.dataset.event) this.take(held);
      else if (!held && !(chosen && start < strip.dataset.to && end > strip.dataset.from)) this.begin(strip);
      else this.form.querySelector("button.btn-accent").focus();
    } else if (steps && chosen && event.shiftKey) this.choose(start, Math.max(start + STEP_MS, end + steps));
    else if (steps && chosen) this.choose(start + steps, end + steps);
    else return;
    event.preventDefault();
  }

  // A first choice in a night: now, or when it gets dark.
  begin(strip) {
    const { from, to, dark } = strip.dataset;
    const start = round(now() >= from && now() < to ? now() : Number(dark ?? (Number(from) + Number(to)) / 2));
    this.choose(start, start + FIRST_MS);
  }

  // Let the form be about a reservation that is there.
  take(held) {
    const { elements } = this.form;
    elements.event_id.value = held.dataset.event;
    elements.title.value = held.dataset.title;
    elements.reservation_note.value = held.dataset.note;
    for (const part of document.querySelectorAll("#form [data-for]")) part.hidden = part.dataset.for !== "move";
    this.choose(Number(held.dataset.start), Number(held.dataset.end));
  }

  chosen() {
    const { start, end } = this.form.elements;
    return this.zone ? [read(start.value, this.zone), read(end.value, this.zone)] : [NaN, NaN];
  }

  choose(start, end) {
    const { elements } = this.form;
    if (!this.zone) return;
    elements.start.value = written(start, this.zone);
    elements.end.value = written(Math.min(end, start + LONGEST_MS), this.zone);
    this.form.dispatchEvent(new Event("input", { bubbles: true }));
  }

  warn(fault) {
    this.fault = fault;
    this.draw();
  }

  draw() {
    const [start, end] = this.chosen();
    this.choice.hidden = !(start < end);
    if (start < end) {
      this.choice.querySelector("[data-times]").textContent = text("{begin} to {end} UTC", { begin: written(start, this.zone).slice(5), end: written(end, this.zone).slice(11) , unit: text(this.zone === "UTC" ? "UTC" : "site time") });
      this.choice.querySelector("[data-fault]").textContent = this.fault;
    }
    for (const strip of this.place.querySelectorAll(".strip")) this.drawIn(strip);
  }

  drawIn(strip) {
    const [start, end] = this.chosen();
    const shown = start < end && end > strip.dataset.from && start < strip.dataset.to;
    const x = shown && along(strip, start);
    mark(strip, "draft", shown && { x, width: Math.max(4, along(strip, end) - x), y: 2, height: 24 })?.classList.toggle("conflict", Boolean(this.fault));
  }
}

// Where a time stands in a night's drawing.
function along({ dataset }, ms) {
  const [from, to] = [Number(dataset.from), Number(dataset.to)];
  return (1000 * (Math.min(to, Math.max(from, ms)) - from)) / (to - from);
}

// Let a night have one rectangle of a kind, of these sizes, or none.
function mark(strip, kind, sizes) {
  let rect = strip.querySelector(`.${kind}`);
  if (!sizes) return rect?.remove();
  if (!rect) {
    rect = strip.appendChild(document.createElementNS(SVG, "rect"));
    rect.classList.add(kind);
    rect.dataset.key = kind;
  }
  for (const [name, value] of Object.entries(sizes)) rect.setAttribute(name, value);
  return rect;
}

function round(ms) {
  return Math.round(ms / STEP_MS) * STEP_MS;
}
