// A small calendar beside a field for a time: a day is chosen by a tap, and the full hour by another one. What browsers
// open for date fields of their own has their colours, also at night.
import { now } from "./clock.js";
import { isKnown, shown } from "./zones.js";
import { language, text as said } from "./texts.js";

const DAY_MS = 86400000;
const MARGIN = 12;
const TIME = /\d{1,2}:\d\d.*$/;
const DAY = /^\d{4}-\d\d-\d\d/;
const STEPS = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7 };
const ICON = '<svg width="16" height="16" viewBox="0 0 16 16" fill="none" stroke="currentColor" aria-hidden="true"><path d="M1.5 3.5h13v11h-13zM1.5 6.5h13M4.5 1v3M11.5 1v3"/></svg>';
let open = null;

for (const field of document.querySelectorAll("[data-time-field]")) start(field);
document.addEventListener("pointerdown", ({ target }) => open && !open.place.contains(target) && open.close());

function start(field) {
  const button = element("button", { type: "button", className: "btn btn-plain", innerHTML: ICON, title: said("Calendar") });
  field.labels[0].id ||= `${field.id}-label`;
  button.setAttribute("aria-label", said("Calendar"));
  button.setAttribute("aria-describedby", field.labels[0].id);
  button.setAttribute("aria-expanded", "false");
  field.after(button);
  button.addEventListener("click", () => {
    const mine = open?.field === field;
    open?.close();
    if (!mine) open = new Calendar(field, button);
  });
}

class Calendar {
  constructor(field, button) {
    Object.assign(this, { field, button, place: field.parentElement });
    const zone = field.form.elements.clock?.value ?? "UTC";
    this.today = midnight(shown(now(), isKnown(zone) ? zone : "UTC"));
    this.day = Date.parse(field.value.match(DAY)?.[0] ?? "") || this.today;
    this.sheet = element("div", { className: "calendar" });
    this.sheet.setAttribute("role", "group");
    this.sheet.setAttribute("aria-label", "Calendar");
    this.sheet.setAttribute("aria-describedby", field.labels[0].id);
    this.sheet.addEventListener("keydown", (event) => this.key(event));
    this.place.append(this.sheet);
    button.setAttribute("aria-expanded", "true");
    this.draw(true);
    const { left } = this.sheet.getBoundingClientRect();
    if (left < MARGIN) this.sheet.style.right = `${left - MARGIN}px`; // a narrow field at the edge of a phone
    this.sheet.scrollIntoView({ block: "nearest" });
  }

  close() {
    this.sheet.remove();
    this.button.setAttribute("aria-expanded", "false");
    open = null;
  }

  draw(takesFocus) {
    const first = new Date(this.day);
    first.setUTCDate(1);
    const month = first.getUTCMonth();
    const head = element("p", { className: "calendar-head" });
    head.append(
      this.arrow("‹", said("The month before"), -1),
      element("strong", { textContent: name(first, { month: "long", year: "numeric" }) }),
      this.arrow("›", said("The next month"), 1),
    );
    const days = element("div", { className: "calendar-days" });
    const monday = first - ((first.getUTCDay() + 6) % 7) * DAY_MS;
    for (let at = 0; at < 7; at++) days.append(element("span", { textContent: name(monday + at * DAY_MS, { weekday: "short" }).slice(0, 2) }));
    for (let ms = monday; ms < monday + 42 * DAY_MS; ms += DAY_MS) days.append(this.dayButton(ms, month));
    this.sheet.replaceChildren(head, days, this.hours());
    if (takesFocus) this.sheet.querySelector("[tabindex='0']").focus({ preventScroll: true });
  }

  arrow(text, label, months) {
    const button = element("button", { type: "button", className: "btn btn-plain", textContent: text });
    button.setAttribute("aria-label", label);
    button.addEventListener("click", () => {
      this.move(months);
      this.draw(false);
      this.sheet.querySelector(`[aria-label="${label}"]`).focus({ preventScroll: true });
    });
    return button;
  }

  // To the same day of another month, or to that one's last.
  move(months) {
    const at = new Date(this.day);
    const day = at.getUTCDate();
    at.setUTCDate(1);
    at.setUTCMonth(at.getUTCMonth() + months + 1, 0);
    at.setUTCDate(Math.min(day, at.getUTCDate()));
    this.day = Number(at);
  }

  dayButton(ms, month) {
    const date = new Date(ms);
    const button = element("button", { type: "button", textContent: date.getUTCDate() });
    const marks = [[date.getUTCMonth() !== month, "other"], [ms === this.today, "today"]];
    button.className = marks.filter(([is]) => is).map(([, mark]) => mark).join(" ");
    button.setAttribute("aria-label", name(ms, { weekday: "long", day: "numeric", month: "long", year: "numeric" }));
    button.setAttribute("aria-pressed", String(ms === Date.parse(this.field.value.match(DAY)?.[0] ?? "")));
    button.tabIndex = ms === this.day ? 0 : -1;
    button.addEventListener("click", () => {
      this.day = ms;
      this.write(this.field.value.match(TIME)?.[0] ?? "");
      this.draw(true);
    });
    return button;
  }

  hours() {
    const hours = element("div", { className: "calendar-hours" });
    for (let hour = 0; hour < 24; hour++) {
      const text = `${String(hour).padStart(2, "0")}:00`;
      const button = element("button", { type: "button", textContent: text });
      button.addEventListener("click", () => {
        this.write(text);
        this.close();
        this.field.focus();
      });
      hours.append(button);
    }
    return hours;
  }

  write(time) {
    this.field.value = `${new Date(this.day).toISOString().slice(0, 10)} ${time}`.trim();
    this.field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  key(event) {
    const inDays = event.target.closest(".calendar-days");
    if (event.key === "Escape") {
      this.close();
      this.button.focus();
    } else if (inDays && STEPS[event.key]) {
      this.day += STEPS[event.key] * DAY_MS;
      this.draw(true);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

function midnight(ms) {
  return Math.floor(ms / DAY_MS) * DAY_MS;
}

function name(ms, shape) {
  return new Intl.DateTimeFormat(language, { ...shape, timeZone: "UTC" }).format(ms);
}

function element(kind, properties) {
  return Object.assign(document.createElement(kind), properties);
}
