// Keeps the page as the server would render it now: the stream says that something changed, the page is fetched and
// patched. One rendering, the server's; a burst of changes costs a few fetches. The stream begins where the server
// stood when it rendered the page, so that nothing falls between the two. Where all places for streams are taken the
// page asks for changes; the server renders only when there are some, and says when a place is free.
import { asScript, count, instant, now, setNow } from "./clock.js";
import { patch } from "./patch.js";

const AT_MOST_EVERY_MS = 250;
const SHARE = 4; // renewing takes at most this part of the time, of a slow server or a slow phone
const ANYHOW_EVERY_MS = 10000; // presence ages, and a connection that is dead without saying so
const ASK_EVERY_MS = 4000; // without a stream
const ASK_APART_MS = 800; // at random, so that a class of pages does not ask at the same moment
const WHOLE_EVERY_MS = 60000; // what changes by time alone, such as the free disk
const RETRY_MS = 4000; // a stream is tried at most so often, and less often each time that it is refused
const LONGEST_RETRY_MS = 32000;
const SLEPT_MS = 5000;
const MADE_WITHIN_MS = 10000; // a page is made, and a picture kept, in less
const GIVE_UP_MS = 6000;
const AT_ONCE = 6; // attempts where connections are doubtful: the browser may hold so many, all of them dead
const APART_MS = 150;
const HELD_MS = 8000; // what is pressed or dragged stays as it is, but not for longer
const FAILED = /^(failed|error)#/i;

let stream = null;
let asking = null; // the timer of the next question, while there is no stream
let wanted = null; // since the last fetch began something may have changed: in how many ms it is to be fetched
let wantsWhole = false; // and the page is to be rendered, whatever the server thinks of it
let fetching = null; // what breaks off the fetch that is under way
let soon = null; // begins the fetch at its time
let lastGood = performance.now();
let lastFetch = -Infinity;
let lastWhole = performance.now();
let pauseMs = AT_MOST_EVERY_MS;
let retryMs = RETRY_MS;
let nextTry = -Infinity; // before then no stream is tried
let doubtful = false; // whether the browser's connections are alive: after sleep, or when nothing was answered
let held = null; // what is pressed or dragged, and since when
let waited = 0; // seconds without an answer to the stream

export function startLive() {
  if (!document.body.dataset.site) return;
  lastGood = now();
  open();
  document.addEventListener("jobs:changed", () => {
    pauseMs = AT_MOST_EVERY_MS;
    renew({ whole: true });
    clearTimeout(soon?.timer);
    soon?.begin(); // what somebody did here is shown at once
  });
  document.addEventListener("jobs:outdated", ({ detail }) => renew({ ...detail, among: Number(document.body.dataset.pace) }));
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : wake()));
  document.addEventListener("resume", wake);
  for (const begun of ["pointerdown", "dragstart"]) document.addEventListener(begun, hold, true);
  for (const ended of ["pointerup", "pointercancel", "dragend"]) document.addEventListener(ended, letGo, true);
  addEventListener("pageshow", (event) => event.persisted && wake());
  addEventListener("online", wake);
  addEventListener("offline", () => setLost(true));
  let last = Date.now();
  setInterval(() => {
    const slept = Date.now() - last > SLEPT_MS;
    last = Date.now();
    if (document.hidden) return;
    if (slept) wake();
    else if (stream?.readyState === EventSource.CONNECTING && ++waited > GIVE_UP_MS / 1000) wake();
    else if (performance.now() - lastFetch > ANYHOW_EVERY_MS) renew();
  }, 1000);
}

// After sleep no connection can be trusted, not even a fetch that is still under way.
function wake() {
  close();
  if (document.hidden) return;
  fetching?.abort();
  doubtful = true;
  pauseMs = 0;
  renew({ whole: true }); // and once that has come, the stream again
}

function open() {
  const { streamSrc, position, full } = document.body.dataset;
  if (stream || document.hidden || full !== undefined || performance.now() < nextTry) return;
  nextTry = performance.now() + retryMs;
  stream = new EventSource(`${streamSrc}&${new URLSearchParams({ lastEventId: position })}`);
  waited = 0;
  document.dispatchEvent(new CustomEvent("jobs:opening")); // what comes first is all that is known of the site
  stream.onopen = () => {
    waited = 0;
    retryMs = RETRY_MS;
    if (!document.getElementById("lost").hidden) renew();
  };
  stream.onmessage = (event) => {
    const { topic, data } = JSON.parse(event.data);
    if (topic === "devices") {
      document.dispatchEvent(new CustomEvent("jobs:devices", { detail: data })); // every second: no page is fetched for it
      return;
    }
    if (topic === "jobs" && FAILED.test(data.statusId)) document.dispatchEvent(new CustomEvent("jobs:alarm"));
    // The greeting counts too: what has no position, as a lock-out, may be newer than the page.
    renew({ whole: topic === "jobs" || topic === "plans" || isNewPicture(topic, data), among: Number(document.body.dataset.pace) });
  };
  stream.addEventListener("reset", () => renew({ whole: true }));
  stream.addEventListener("dropped", refused);
  stream.onerror = () => (stream?.readyState === EventSource.CLOSED ? refused() : renew());
}

// The greeting names the newest picture too, which the page shows unless it came while the page was made.
function isNewPicture(topic, { at_ms: at }) {
  return topic === "previews" && at > Number(document.getElementById("clocks").dataset.now) - MADE_WITHIN_MS;
}

// After an answer that is no stream (502, 503) the browser gives up; the page does not, and asks meanwhile.
function refused() {
  close();
  nextTry = Math.max(nextTry, performance.now() + retryMs);
  retryMs = Math.min(LONGEST_RETRY_MS, retryMs * 2);
  renew();
}

function close() {
  stream?.close();
  stream = null;
}

// `among`: other pages learn of the same change, so that each takes a moment of its own in so many ms.
function renew({ whole = false, among = 0 } = {}) {
  wanted = Math.min(wanted ?? among, among);
  wantsWhole ||= whole;
  if (fetching || document.hidden) return;
  const mine = (fetching = new AbortController());
  const passed = performance.now() - lastFetch;
  const begin = () => ((soon = null), fetchNow(mine));
  const apart = passed < among ? among - passed : Math.random() * among;
  soon = { begin, timer: setTimeout(begin, Math.max(0, pauseMs - passed, apart)) };
  mine.signal.onabort = () => {
    clearTimeout(soon?.timer);
    soon = fetching = null;
  };
}

async function fetchNow(mine) {
  clearTimeout(asking);
  const whole = wantsWhole || doubtful || performance.now() - lastWhole > WHOLE_EVERY_MS;
  wanted = null;
  wantsWhole = false;
  lastFetch = performance.now();
  const giveUp = setTimeout(() => mine.abort(), GIVE_UP_MS);
  try {
    const text = await (doubtful ? firstPage(mine.signal) : fetchPage(mine.signal, whole));
    if (whole) lastWhole = lastFetch;
    show(new DOMParser().parseFromString(text, "text/html"));
    setLost(false);
    doubtful = false;
    open();
    pauseMs = Math.min(5000, Math.max(AT_MOST_EVERY_MS, SHARE * (performance.now() - lastFetch)));
  } catch {
    if (fetching !== null && fetching !== mine) return; // broken off after sleep: another one is under way
    // Once, since a server that is only slow must not get six times the work; then no dead connection is left.
    doubtful = mine.signal.aborted && document.getElementById("lost").hidden;
    if (doubtful) close(); // the stream as well: it holds one of the few connections that there may be
    wantsWhole ||= whole;
    setLost(true);
    setTimeout(renew, 1000);
  } finally {
    clearTimeout(giveUp);
  }
  if (fetching === mine) fetching = null;
  if (wanted !== null) renew({ among: wanted });
  else if (stream?.readyState !== EventSource.OPEN) asking = setTimeout(renew, ASK_EVERY_MS + Math.random() * ASK_APART_MS);
}

async function fetchPage(signal, whole = true) {
  const { position, mark } = document.body.dataset;
  const headers = asScript(whole ? {} : { "X-Known": `${position} ${mark}` });
  const answer = await fetch(document.body.dataset.liveSrc, { headers, signal, cache: "no-store" }); // no cache holds one back for another
  const text = await answer.text();
  if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
  return text;
}

// Each attempt takes another connection, and the first that is answered is it.
async function firstPage(signal) {
  const all = new AbortController();
  signal.addEventListener("abort", () => all.abort());
  const attempts = Array.from({ length: AT_ONCE }, async (_, number) => {
    await new Promise((resolve) => setTimeout(resolve, number * APART_MS));
    return fetchPage(all.signal);
  });
  try {
    return await Promise.any(attempts);
  } finally {
    all.abort();
  }
}

function show(fresh) {
  const clocks = fresh.getElementById("clocks");
  if (clocks) setNow(Number(clocks.dataset.now));
  for (const name of ["position", "mark", "pace", "full"]) {
    if (name in fresh.body.dataset) document.body.dataset[name] = fresh.body.dataset[name];
    else delete document.body.dataset[name];
  }
  const unchanged = "unchanged" in fresh.body.dataset;
  if (!unchanged) document.dispatchEvent(new CustomEvent("jobs:coming", { detail: fresh })); // what scripts made of the old page
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.getElementById(part.id);
    const stays = isEdited(part) || isHeld(part);
    if (other && stays) document.body.dataset.mark = ""; // it is behind: the page is to come again
    if (!other || stays) continue;
    count(other); // compare with what the clock has made of the old one
    patch(part, other);
  }
  lastGood = now();
  if (!unchanged) document.dispatchEvent(new CustomEvent("jobs:shown", { detail: { crowded: isCrowded() } }));
}

// Among many pages, what is drawn beside the lists may be a while behind them.
function isCrowded() {
  return stream === null || Number(document.body.dataset.pace) > 0;
}

// A form is not taken from under the hands of who fills it in.
function isEdited(part) {
  if (part.dataset.live !== "unless-edited") return false;
  return [...part.querySelectorAll("input, textarea")].some((field) => field.value !== field.defaultValue || field.checked !== field.defaultChecked);
}

// Nothing moves under a finger: a press that began on a button ends on it, and a row that is dragged is still there.
function isHeld(part) {
  return held !== null && part.contains(held.target) && performance.now() - held.since < HELD_MS;
}

function hold({ target }) {
  held = { target, since: performance.now() };
}

function letGo() {
  if (held === null) return;
  held = null;
  if (document.body.dataset.mark === "") renew({ whole: true });
}

function setLost(lost) {
  const banner = document.getElementById("lost");
  if (banner.hidden !== lost) return;
  if (lost) banner.querySelector("[data-lost-at]").textContent = instant(lastGood);
  banner.hidden = !lost;
}
