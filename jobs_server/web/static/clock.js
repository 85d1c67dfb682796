// The server's clock, and every text that goes on with it. The browser's own clock may be hours off.
import { number as decimal, language, text } from "./texts.js";

import { isKnown, shown } from "./zones.js";

const SIDEREAL_RATE = 1.00273790935;
const { times: choice, zone: chosen } = document.body.dataset;
export const zone = chosen && isKnown(chosen) ? chosen : "UTC"; // by which times are shown
export const unit = zone === "UTC" ? "UTC" : text("site time");
let server = { ms: Date.now(), mark: performance.now() };

export function now() {
  return server.ms + (performance.now() - server.mark);
}

// What the server said its time was, when its answer came.
export function setNow(ms) {
  server = { ms, mark: performance.now() };
}

export function startClocks() {
  const clocks = document.getElementById("clocks");
  if (!clocks) return;
  // The page may have come out of the browser's memory (Back): then its time is not of now.
  const loaded = performance.getEntriesByType("navigation")[0];
  server = { ms: Number(clocks.dataset.now), mark: loaded?.responseEnd ?? performance.now() };
  const sidereal = document.querySelector("[data-clock=lst]");
  const begun = { ms: server.ms, hours: Number(sidereal?.dataset.hours ?? 0) };
  const site = document.querySelector(".clocks [data-clock=site]");
  const local = site && isKnown(site.dataset.zone) ? site.dataset.zone : null;
  const tick = () => {
    const ms = now();
    put(document.querySelector(".clocks [data-clock=utc]"), instantIn(ms, "UTC"));
    if (sidereal) put(sidereal, sexagesimal(begun.hours + ((ms - begun.ms) / 3600000) * SIDEREAL_RATE));
    if (local) put(site, instantIn(ms, local));
    count(document, ms);
    setTimeout(tick, 1000 - (now() % 1000) + 5);
  };
  tick();
}

// Write anew every text under `root` that depends on the time.
export function count(root, ms = now()) {
  for (const item of root.querySelectorAll("[data-age]")) {
    const passed = ms - Number(item.dataset.age);
    const late = item.dataset.after !== undefined && passed >= Number(item.dataset.after) * 1000;
    put(item, ((late ? item.dataset.sayAfter : item.dataset.say) ?? "{}").replace("{}", age(passed)));
    item.classList.toggle("late", late);
  }
  for (const item of root.querySelectorAll("[data-grey-from]")) {
    item.classList.toggle("grey", ms > Number(item.dataset.greyFrom));
  }
  for (const item of root.querySelectorAll("[data-left]")) {
    const left = Number(item.dataset.left) - ms;
    put(item, (left < 0 ? item.dataset.sayOver : item.dataset.say).replace("{}", remaining(Math.abs(left))));
    item.closest(".job")?.classList.toggle("overdue", left < 0);
  }
  for (const bar of root.querySelectorAll("progress[data-due]")) {
    const { from, due } = bar.dataset;
    bar.value = Math.min(1000, Math.max(0, (1000 * (ms - from)) / Math.max(1, due - from)));
  }
  for (const line of root.querySelectorAll("[data-sky-from]")) {
    const { skyFrom, skyTo } = line.dataset;
    const at = `${Math.min(100, Math.max(0, (100 * (ms - skyFrom)) / (skyTo - skyFrom))).toFixed(2)}%`;
    if (line.getAttribute("x1") !== at) for (const end of ["x1", "x2"]) line.setAttribute(end, at);
  }
  for (const receipt of root.querySelectorAll("[data-loud-from]")) {
    const loud = receipt.querySelector(".loud");
    const due = ms >= Number(receipt.dataset.loudFrom);
    if (due && loud.hidden) document.dispatchEvent(new CustomEvent("jobs:alarm"));
    loud.hidden = !due;
  }
}

export function age(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const [minutes, hours, days] = [60, 3600, 86400].map((unit) => Math.floor(seconds / unit));
  if (minutes < 60) return `${minutes} min`;
  if (hours < 24) return `${hours} h ${String(minutes % 60).padStart(2, "0")} min`;
  return `${days} d ${hours % 24} h`;
}

function remaining(ms) {
  const seconds = Math.floor(ms / 1000);
  return seconds >= 60 && seconds < 3600 ? `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")} s` : age(ms);
}

export function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 10000) return `${decimal((Math.max(0, ms) / 1000).toFixed(1))} s`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")} s`;
  return age(ms);
}

export function instant(ms) {
  return instantIn(ms, zone);
}

function instantIn(ms, name) {
  return new Date(shown(ms, name)).toISOString().slice(11, 19);
}

// The next time that is so many ms from midnight by the clock of this page, and not before.
export function roundUp(ms, step) {
  const ahead = shown(ms, zone) - ms;
  return Math.ceil((ms + ahead) / step) * step - ahead;
}

// What a script asks with: what comes is written by the clock of this page, whatever was chosen in another one.
export function asScript(more = {}) {
  return { "X-Requested-By": "script", "X-Language": language, "X-Clock": choice ?? "", ...more };
}

function sexagesimal(hours) {
  const seconds = Math.floor((((hours % 24) + 24) % 24) * 3600);
  return [seconds / 3600, (seconds / 60) % 60, seconds % 60].map((part) => String(Math.floor(part)).padStart(2, "0")).join(":");
}

function put(item, text) {
  if (item && item.textContent !== text) item.textContent = text;
}
