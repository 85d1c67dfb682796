// Keeps the page as the server would render it now: the stream says that something changed, the page is fetched and
// patched. One rendering, the server's; a burst of changes costs a few fetches. The stream begins where the server
// stood when it rendered the page, so that nothing falls between the two.
import { count, instant, now, setNow } from "./clock.js";
import { patch } from "./patch.js";

const AT_MOST_EVERY_MS = 250;
const SHARE = 4; // renewing takes at most this part of the time, of a slow server or a slow phone
const ANYHOW_EVERY_MS = 10000; // presence ages, and a connection that is dead without saying so
const SLEPT_MS = 5000;
const GIVE_UP_MS = 6000;
const AT_ONCE = 6; // attempts where connections are doubtful: the browser may hold so many, all of them dead
const APART_MS = 150;
const FAILED = /^(failed|error)#/i;

let stream = null;
let opening = null; // the timer of the next attempt
let wanted = false; // something changed since the last fetch began
let fetching = null; // what breaks off the fetch that is under way
let lastGood = performance.now();
let lastFetch = -Infinity;
let pauseMs = AT_MOST_EVERY_MS;
let retryMs = 500;
let doubtful = false; // whether the browser's connections are alive: after sleep, or when nothing was answered
let waited = 0; // seconds without an answer to the stream

export function startLive() {
  if (!document.body.dataset.site) return;
  lastGood = now();
  open();
  document.addEventListener("jobs:changed", () => {
    pauseMs = AT_MOST_EVERY_MS;
    renew();
  });
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : wake()));
  document.addEventListener("resume", wake);
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
  retryMs = 500;
  doubtful = true;
  pauseMs = 0;
  renew(); // and once that has come, the stream again
}

function open() {
  clearTimeout(opening);
  if (stream || document.hidden) return;
  const { site, position } = document.body.dataset;
  stream = new EventSource(`/stream?${new URLSearchParams({ site, lastEventId: position })}`);
  waited = 0;
  stream.onopen = () => {
    waited = 0;
    retryMs = 500;
    if (!document.getElementById("lost").hidden) renew();
  };
  stream.onmessage = (event) => {
    const { topic, data } = JSON.parse(event.data);
    if (topic === "jobs" && FAILED.test(data.statusId)) document.dispatchEvent(new CustomEvent("jobs:alarm"));
    renew(); // the greeting too: what has no position, as a lock-out, may be newer than the page
  };
  for (const kind of ["reset", "dropped"]) stream.addEventListener(kind, renew);
  stream.onerror = () => {
    renew();
    if (stream?.readyState !== EventSource.CLOSED) return;
    close(); // after an answer that is no stream (502, 503) the browser gives up; we do not
    opening = setTimeout(open, retryMs + Math.random() * 250);
    retryMs = Math.min(5000, retryMs * 2);
  };
}

function close() {
  clearTimeout(opening);
  stream?.close();
  stream = null;
}

function renew() {
  wanted = true;
  if (fetching || document.hidden) return;
  fetching = new AbortController();
  const soon = setTimeout(fetchNow, Math.max(0, pauseMs - (performance.now() - lastFetch)), fetching);
  fetching.signal.onabort = () => {
    clearTimeout(soon);
    fetching = null;
  };
}

async function fetchNow(mine) {
  wanted = false;
  lastFetch = performance.now();
  const giveUp = setTimeout(() => mine.abort(), GIVE_UP_MS);
  try {
    const text = await (doubtful ? firstPage(mine.signal) : fetchPage(mine.signal));
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
    setLost(true);
    setTimeout(renew, 1000);
  } finally {
    clearTimeout(giveUp);
  }
  if (fetching === mine) fetching = null;
  if (wanted) renew();
}

async function fetchPage(signal) {
  const headers = { "X-Requested-By": "script" };
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
  document.body.dataset.position = fresh.body.dataset.position;
  document.dispatchEvent(new CustomEvent("jobs:coming", { detail: fresh })); // what scripts made of the old page
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.getElementById(part.id);
    if (!other || isEdited(part)) continue;
    count(other); // compare with what the clock has made of the old one
    patch(part, other);
  }
  lastGood = now();
  document.dispatchEvent(new CustomEvent("jobs:shown"));
}

// A form is not taken from under the hands of who fills it in.
function isEdited(part) {
  if (part.dataset.live !== "unless-edited") return false;
  return [...part.querySelectorAll("input, textarea")].some((field) => field.value !== field.defaultValue || field.checked !== field.defaultChecked);
}

function setLost(lost) {
  const banner = document.getElementById("lost");
  if (banner.hidden !== lost) return;
  if (lost) banner.querySelector("[data-lost-at]").textContent = instant(lastGood);
  banner.hidden = !lost;
}
