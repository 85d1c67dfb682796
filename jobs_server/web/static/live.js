// Keeps the page as the server would render it now: the stream says that something changed, the page is fetched and
// patched. One rendering, the server's; a burst of changes costs a few fetches.
import { count, instant, now, setNow } from "./clock.js";
import { patch } from "./patch.js";

const AT_MOST_EVERY_MS = 250;
const ANYHOW_EVERY_MS = 15000; // presence ages, and a connection that is dead without saying so
const SLEPT_MS = 5000;
const GIVE_UP_MS = 8000;

let stream = null;
let wanted = false; // something changed since the last fetch began
let fetching = false;
let lastGood = performance.now();
let lastFetch = 0;
let retryMs = 500;

export function startLive() {
  if (!document.body.dataset.site) return;
  open();
  document.addEventListener("jobs:changed", renew);
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : wake()));
  addEventListener("pageshow", (event) => event.persisted && wake());
  addEventListener("online", wake);
  let last = Date.now();
  setInterval(() => {
    const slept = Date.now() - last > SLEPT_MS;
    last = Date.now();
    if (document.hidden) return;
    if (slept) wake();
    else if (performance.now() - lastFetch > ANYHOW_EVERY_MS) renew();
  }, 1000);
}

function wake() {
  close();
  open();
  renew();
}

function open() {
  if (stream || document.hidden) return;
  stream = new EventSource(`/stream?site=${encodeURIComponent(document.body.dataset.site)}`);
  stream.onopen = () => {
    retryMs = 500;
    if (!document.getElementById("lost").hidden) renew();
  };
  stream.onmessage = renew;
  for (const kind of ["presence", "reset", "jobs"]) stream.addEventListener(kind, renew);
  stream.onerror = () => {
    renew();
    if (stream?.readyState !== EventSource.CLOSED) return;
    close(); // after an answer that is no stream (502, 503) the browser gives up; we do not
    setTimeout(open, retryMs + Math.random() * 250);
    retryMs = Math.min(5000, retryMs * 2);
  };
}

function close() {
  stream?.close();
  stream = null;
}

function renew() {
  wanted = true;
  if (fetching) return;
  fetching = true;
  setTimeout(fetchNow, Math.max(0, AT_MOST_EVERY_MS - (performance.now() - lastFetch)));
}

async function fetchNow() {
  wanted = false;
  lastFetch = performance.now();
  try {
    const headers = { "X-Requested-By": "script" };
    const answer = await fetch(document.body.dataset.liveSrc, { headers, signal: AbortSignal.timeout(GIVE_UP_MS) });
    const text = await answer.text();
    if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
    show(new DOMParser().parseFromString(text, "text/html"));
    setLost(false);
  } catch {
    setLost(true);
    setTimeout(renew, 1000);
  }
  fetching = false;
  if (wanted) renew();
}

function show(fresh) {
  const clocks = fresh.getElementById("clocks");
  if (clocks) setNow(Number(clocks.dataset.now));
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.getElementById(part.id);
    if (!other) continue;
    count(other); // compare with what the clock has made of the old one
    patch(part, other);
  }
  lastGood = now();
  document.dispatchEvent(new CustomEvent("jobs:shown"));
}

function setLost(lost) {
  const banner = document.getElementById("lost");
  if (banner.hidden !== lost) return;
  if (lost) banner.querySelector("[data-lost-at]").textContent = instant(lastGood);
  banner.hidden = !lost;
}
