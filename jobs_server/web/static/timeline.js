// A night as a drawing: one lane for each type of device over the light of the sky. Zoom with the wheel, two fingers or
// the keys + and -, move by dragging or with the arrows, read a job by pointing at it, open it with a click.
import { age, asScript, duration, instant, now, roundUp, unit } from "./clock.js";
import { text } from "./texts.js";

const SVG = "http://www.w3.org/2000/svg";
const LANE = 26;
const TOP = 6;
const AXIS = 22;
const NARROWEST_MS = 60000;
const RENEW_MS = 1000;
const CROWDED_MS = 30000; // among many pages the lists go before the drawing
const SHARE = 10; // renewing takes at most this part of the time
const TINY = 3; // narrower than this no bar is drawn

class Timeline {
  constructor(holder) {
    this.holder = holder;
    this.src = holder.dataset.timeline;
    this.pointers = new Map();
    this.lastLoad = -Infinity;
    this.pause = RENEW_MS;
    this.soon = true; // until it is there
    this.tip = element("p", "timeline-tip");
    this.tip.hidden = true;
    this.legend = element("p", "hint timeline-legend");
    this.svg = document.createElementNS(SVG, "svg");
    this.svg.setAttribute("tabindex", "0");
    this.svg.setAttribute("role", "img");
    holder.replaceChildren(this.svg, this.tip, this.legend);
    this.listen();
  }

  listen() {
    document.addEventListener("jobs:shown", ({ detail }) => this.renew(detail.crowded ? CROWDED_MS : 0));
    new ResizeObserver(() => this.draw()).observe(this.holder);
    setInterval(() => this.moveNow(), 5000);
    this.svg.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.svg.addEventListener("pointerdown", (event) => this.press(event));
    this.svg.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel"]) this.svg.addEventListener(end, (event) => this.pointers.delete(event.pointerId));
    this.svg.addEventListener("pointerleave", (event) => (this.tip.hidden ||= event.pointerType === "mouse"));
    this.svg.addEventListener("click", (event) => this.open(event));
    this.svg.addEventListener("keydown", (event) => this.key(event));
    this.svg.addEventListener("dblclick", () => this.show(this.data.from_ms, this.data.to_ms));
  }

  renew(atMostEvery) {
    if (this.soon) return;
    const pause = Math.max(this.pause, atMostEvery);
    this.soon = setTimeout(() => this.load(), Math.max(0, this.lastLoad + pause - performance.now()));
  }

  async load() {
    this.lastLoad = performance.now();
    await this.fetch();
    this.soon = null;
    this.pause = Math.max(RENEW_MS, SHARE * (performance.now() - this.lastLoad));
  }

  async fetch() {
    const src = this.data?.position ? `${this.src}&since=${this.data.position}` : this.src;
    const answer = await fetch(src, { headers: asScript() }).catch(() => null);
    if (!answer?.ok) return;
    const fresh = await answer.json();
    const night = this.data?.from_ms;
    if (fresh.changed && night !== fresh.from_ms) {
      this.data = null; // the next night has begun
      return this.fetch();
    }
    if (fresh.changed) this.merge(fresh);
    else this.data = fresh;
    if (night !== this.data.from_ms) [this.from, this.to] = this.opening();
    if (!fresh.changed || fresh.lanes.length || this.running()) this.draw();
  }

  // Put in what has changed since.
  merge({ lanes, position }) {
    this.data.position = position;
    for (const { device, name, jobs } of lanes) {
      let lane = this.data.lanes.find((each) => each.device === device);
      if (!lane) {
        lane = { device, name, jobs: [] };
        this.data.lanes.push(lane);
        this.data.lanes.sort((one, other) => (one.device < other.device ? -1 : 1));
      }
      const places = new Map(lane.jobs.map((job, index) => [job[0], index]));
      for (const job of jobs) lane.jobs[places.get(job[0]) ?? lane.jobs.length] = job;
    }
  }

  running() {
    return this.data.lanes.some((lane) => lane.jobs.some((job) => job[4] === "running"));
  }

  // At first: from before sunset to after sunrise, and whatever was done or is now outside of that.
  opening() {
    const { from_ms: first, to_ms: last, light, lanes } = this.data;
    const dark = light.filter(([kind]) => kind !== "day");
    if (!dark.length) return [first, last];
    const begins = lanes.flatMap((lane) => lane.jobs.map((job) => job[2]));
    const at = [dark[0][1], dark.at(-1)[2], ...begins, Math.min(last, Math.max(first, now()))];
    return [Math.max(first, Math.min(...at) - 1800000), Math.min(last, Math.max(...at) + 1800000)];
  }

  draw() {
    if (!this.data) return;
    this.width = Math.max(240, this.holder.clientWidth);
    this.label = Math.min(96, this.width * 0.22);
    const lanes = this.data.lanes;
    this.bottom = TOP + Math.max(1, lanes.length) * LANE;
    const height = this.bottom + AXIS;
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${height}`);
    this.svg.setAttribute("height", height);
    const count = lanes.reduce((sum, lane) => sum + lane.jobs.length, 0);
    this.svg.setAttribute("aria-label", text("Timeline of {count} jobs. Plus and minus zoom, arrows move.", { count }));
    const parts = [this.sky(), this.axis()];
    lanes.forEach((lane, index) => parts.push(this.lane(lane, TOP + index * LANE)));
    this.nowLine = shape("line", { class: "now-line", y1: TOP, y2: this.bottom });
    parts.push(this.nowLine);
    this.svg.replaceChildren(...parts);
    this.moveNow();
    this.tellLegend(count);
  }

  sky() {
    const group = shape("g", {});
    group.append(shape("rect", { class: "sky unknown", x: this.label, y: TOP, width: this.width - this.label, height: this.bottom - TOP }));
    for (const [light, from, to] of this.data.light) {
      const [begin, end] = [this.x(from), this.x(to)];
      if (end > begin) group.append(shape("rect", { class: `sky ${light}`, x: begin, y: TOP, width: end - begin, height: this.bottom - TOP }));
    }
    return group;
  }

  axis() {
    const group = shape("g", { class: "axis" });
    const step = stepFor((this.to - this.from) / ((this.width - this.label) / 70));
    for (let at = roundUp(this.from, step); at < this.to; at = roundUp(at + 1, step)) {
      const x = this.x(at);
      group.append(shape("line", { x1: x, x2: x, y1: TOP, y2: this.bottom + 4 }));
      if (x > this.width - 18) continue;
      group.append(textAt(x, this.bottom + 16, instant(at).slice(0, step < 60000 ? 8 : 5), { "text-anchor": x < this.label + 14 ? "start" : "middle" }));
    }
    group.append(textAt(0, this.bottom + 16, unit, {}));
    return group;
  }

  lane(lane, y) {
    const group = shape("g", { class: "lane" });
    const { name } = lane;
    group.append(shape("line", { class: "rule", x1: 0, x2: this.width, y1: y + LANE, y2: y + LANE }));
    group.append(textAt(0, y + LANE / 2 + 4, name.length > 13 ? `${name.slice(0, 12)}…` : name, { class: "device" }));
    const at = now();
    let last = null;
    for (const job of lane.jobs) {
      const [, , begin, ended, result] = job;
      const end = ended ?? (result === "running" ? Math.max(at, begin) : begin);
      if (end < this.from || begin > this.to) continue;
      const x = this.x(begin);
      const width = this.x(end) - x;
      if (last && width < TINY && last.result === result && x < last.end) {
        last.bar.jobs.push(job); // thousands of them: those that look the same are drawn once
        last.end = Math.max(last.end, x + TINY);
        last.bar.setAttribute("width", last.end - last.begin);
        continue;
      }
      const bar = shape("rect", { class: `bar ${result}`, x, y: y + 5, width: Math.max(TINY, width), height: LANE - 10, rx: 2 });
      bar.jobs = [job];
      group.append(bar);
      last = width < TINY ? { bar, result, begin: x, end: x + TINY } : null;
    }
    return group;
  }

  moveNow() {
    if (!this.nowLine) return;
    const at = now();
    const inside = at >= this.from && at <= this.to;
    this.nowLine.setAttribute("visibility", inside ? "visible" : "hidden");
    if (!inside) return;
    for (const end of ["x1", "x2"]) this.nowLine.setAttribute(end, this.x(at));
  }

  tellLegend(count) {
    const parts = [];
    if (!count) parts.push(text("No job was posted in this night yet."));
    if (this.data.left_out) parts.push(text("The newest {count} jobs; {others} older ones are in the report.", { count, others: this.data.left_out }));
    if (this.data.light.length) parts.push(text("Shaded: day, civil, nautical and astronomical twilight, night."));
    if (this.to - this.from < this.data.to_ms - this.data.from_ms) parts.push(text("Double click shows the whole night."));
    this.legend.textContent = parts.join(" ");
    this.legend.classList.toggle("fine", count > 0 && !this.data.left_out); // what only explains the drawing
  }

  x(ms) {
    const part = (Math.min(this.to, Math.max(this.from, ms)) - this.from) / (this.to - this.from);
    return Math.round((this.label + part * (this.width - this.label)) * 10) / 10;
  }

  at(event) {
    const box = this.svg.getBoundingClientRect();
    const part = ((event.clientX - box.left) * (this.width / box.width) - this.label) / (this.width - this.label);
    return this.from + Math.min(1, Math.max(0, part)) * (this.to - this.from);
  }

  show(from, to) {
    const [first, last] = [this.data.from_ms, this.data.to_ms];
    const length = Math.min(last - first, Math.max(NARROWEST_MS, to - from));
    this.from = Math.min(Math.max(first, from), last - length);
    this.to = this.from + length;
    this.draw();
  }

  zoom(factor, around) {
    this.show(around - (around - this.from) * factor, around + (this.to - around) * factor);
  }

  wheel(event) {
    if (!this.data || (!event.ctrlKey && Math.abs(event.deltaY) < 1)) return;
    const whole = this.to - this.from >= this.data.to_ms - this.data.from_ms;
    if (whole && event.deltaY > 0) return; // nothing to zoom out of: the page scrolls
    event.preventDefault();
    this.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.at(event));
  }

  press(event) {
    this.dragged = false;
    this.pointers.set(event.pointerId, { x: event.clientX, ms: this.at(event) });
    if (event.pointerType !== "mouse") this.point(event);
  }

  move(event) {
    const held = this.pointers.get(event.pointerId);
    if (!held || !this.data) return this.point(event);
    if (this.pointers.size === 2) {
      const other = [...this.pointers].find(([id]) => id !== event.pointerId)[1];
      const [before, after] = [Math.abs(held.x - other.x), Math.abs(event.clientX - other.x)];
      if (after > 8 && before > 8) this.zoom(before / after, (held.ms + other.ms) / 2);
      this.pointers.set(event.pointerId, { x: event.clientX, ms: this.at(event) });
      this.dragged = true;
    } else if (this.dragged || Math.abs(event.clientX - held.x) > 6) {
      this.dragged = true;
      this.tip.hidden = true;
      const shift = held.ms - this.at(event);
      this.show(this.from + shift, this.to + shift);
    }
  }

  point(event) {
    const { jobs } = event.target;
    this.tip.hidden = !jobs;
    if (!jobs) return;
    this.tip.textContent = jobs.length > 1 ? text("{count} jobs from {begin} to {end} {unit}; zoom in, or click, to tell them apart", { count: jobs.length, begin: instant(jobs[0][2]), end: instant(jobs.at(-1)[2]), unit }) : describe(jobs[0]);
    if (event.pointerType === "touch") this.tip.textContent += ` · ${text("tap again to open it")}`;
    const box = this.holder.getBoundingClientRect();
    const left = Math.min(event.clientX - box.left, box.width - Math.min(300, box.width));
    this.tip.style.left = `${Math.max(0, left)}px`;
    this.tip.style.top = `${event.target.getBoundingClientRect().bottom - box.top + 6}px`;
  }

  open(event) {
    const { jobs } = event.target;
    if (this.dragged || !jobs) return;
    const again = this.tapped === jobs[0][0];
    [[this.tapped]] = jobs;
    if (event.pointerType === "touch" && !again) return; // the first tap tells of it
    if (jobs.length > 1) this.show(jobs[0][2] - NARROWEST_MS / 4, jobs.at(-1)[2] + NARROWEST_MS / 4);
    else location.href = `${document.body.dataset.jobPath}${jobs[0][0]}?site=${encodeURIComponent(document.body.dataset.site)}`;
  }

  key(event) {
    if (!this.data) return;
    const length = this.to - this.from;
    const middle = this.from + length / 2;
    const moves = {
      "+": () => this.zoom(0.7, middle),
      "=": () => this.zoom(0.7, middle),
      "-": () => this.zoom(1.43, middle),
      0: () => this.show(this.data.from_ms, this.data.to_ms),
      ArrowLeft: () => this.show(this.from - length / 5, this.to - length / 5),
      ArrowRight: () => this.show(this.from + length / 5, this.to + length / 5),
    };
    if (!moves[event.key]) return;
    event.preventDefault();
    moves[event.key]();
  }
}

function describe([, line, begin, ended, result, status, who]) {
  const took = ended ? duration(ended - begin) : result === "running" ? text("running for {age}", { age: age(now() - begin) }) : text("not begun");
  return `${line} · ${who} · ${instant(begin)} ${unit} · ${took} · ${status}`;
}

function stepFor(least) {
  const minutes = [1 / 6, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360];
  return (minutes.find((step) => step * 60000 >= least) ?? 720) * 60000;
}

function shape(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function textAt(x, y, said, attributes) {
  const made = shape("text", { x, y, ...attributes });
  made.textContent = said;
  return made;
}

function element(name, className) {
  const made = document.createElement(name);
  made.className = className;
  return made;
}

for (const holder of document.querySelectorAll("[data-timeline]")) new Timeline(holder).load();
