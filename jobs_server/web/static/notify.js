// Shows beside the page what happens to one's jobs, where somebody has pressed the button for it in this browser. Of all
// tabs with a site one follows the stream for it, also while nobody looks at it: the others wait for its lock. What was
// shown last is remembered, so that whichever tab follows next shows nothing again.
import { now } from "./clock.js";
import { text } from "./texts.js";

const KEY = "jobs-notifications";
const SEEN = "jobs-notified-";
const ENDS = { failed: "failed", error: "failed", lost: "failed", expired: "failed", complete: "done", completed: "done" };
const SAID = {
  failed: text("{site}: your job failed"),
  error: text("{site}: your job failed"),
  lost: text("{site}: your job is lost"),
  expired: text("{site}: your job expired"),
  complete: text("{site}: your job is done"),
  completed: text("{site}: your job is done"),
};
const OLDEST_MS = 60 * 60000; // what is older is shown no more
const AGED_MS = 3 * 60000; // and what is older than this is shown with its age
const RETRY_MS = 5000;
const LONGEST_RETRY_MS = 120000;

let given = null; // what gives the lock back, while this tab waits for it or has it

export function startNotifications() {
  const { site } = document.body.dataset;
  const page = document.querySelector("[data-notify-page]");
  if (page) startPage(page);
  if (!site) return;
  follow(site);
  addEventListener("storage", ({ key }) => {
    if (key !== KEY) return;
    follow(site);
    if (page) show(page);
  });
}

function choices() {
  try {
    return { on: false, failed: true, done: true, stopped: true, ...JSON.parse(localStorage.getItem(KEY)) };
  } catch {
    return { on: false, failed: true, done: true, stopped: true };
  }
}

function keep(changed) {
  localStorage.setItem(KEY, JSON.stringify({ ...choices(), ...changed }));
}

function isPossible() {
  return isSecureContext && "Notification" in window && "locks" in navigator;
}

function isOn() {
  return isPossible() && Notification.permission === "granted" && choices().on;
}

// The lock goes with the tab, and to the next one that waits for it.
function follow(site) {
  if (!isOn()) {
    given?.abort();
    given = null;
    return;
  }
  if (given) return;
  const mine = (given = new AbortController());
  navigator.locks
    .request(`jobs-notifications-${site}`, { signal: mine.signal }, () => new Promise((release) => {
      const end = open(site);
      mine.signal.addEventListener("abort", () => (end(), release()));
    }))
    .catch(() => {}); // it was given up while another tab had it
}

function open(site) {
  const { streamSrc, position } = document.body.dataset;
  let stream = null;
  let timer = null;
  let retryMs = RETRY_MS;
  const begin = () => {
    const at = seen(site) ?? position;
    if (at) remember(site, at); // whoever leaves before anything came goes on from here
    stream = new EventSource(`${streamSrc}&${new URLSearchParams(at ? { lastEventId: at } : {})}`);
    stream.onopen = () => (retryMs = RETRY_MS);
    stream.onmessage = (event) => {
      const { topic, data } = JSON.parse(event.data);
      if (topic === "jobs") tell(data);
      if (event.lastEventId) remember(site, event.lastEventId);
    };
    stream.addEventListener("reset", ({ lastEventId }) => remember(site, lastEventId));
    stream.onerror = () => {
      if (stream.readyState !== EventSource.CLOSED) return; // the browser comes back by itself
      timer = setTimeout(begin, retryMs);
      retryMs = Math.min(LONGEST_RETRY_MS, retryMs * 2);
    };
  };
  begin();
  return () => {
    clearTimeout(timer);
    stream.close();
  };
}

function seen(site) {
  try {
    const { at, position } = JSON.parse(localStorage.getItem(SEEN + site));
    return Date.now() - at < OLDEST_MS ? position : null;
  } catch {
    return null;
  }
}

function remember(site, position) {
  localStorage.setItem(SEEN + site, JSON.stringify({ at: Date.now(), position }));
}

function tell(job) {
  const what = matter(job);
  const passed = now() - job.event.timestamp_ms;
  if (!what || !choices()[what.kind] || passed > OLDEST_MS) return;
  const ago = text("{minutes} min ago", { minutes: Math.round(passed / 60000) });
  const age = passed > AGED_MS ? `${ago}: ` : "";
  const body = age + [`${job.action.replaceAll("_", " ")} ${job.deviceInstance}`, what.kind === "done" ? "" : job.event.message].filter(Boolean).join(": ");
  raise(what.title, { body, tag: `${job.site} ${job.ulid} ${job.event.to}`, requireInteraction: what.kind !== "done" }, job);
}

// An end that is reported once more is none, nor is one of a plan's step that went well.
function matter({ site, event, ...job }) {
  if (event.alternateQueue || event.mark === "edited" || event.mark === "moved") return null;
  const word = event.to.trim().toLowerCase();
  if (isStop(job)) return event.from === null ? { kind: "stopped", title: text("{site}: {name} has sent a stop", { site, name: job.user_name || text("somebody") }) } : null;
  const kind = ENDS[word];
  if (!kind || job.user_id !== document.body.dataset.me || ENDS[(event.from ?? "").trim().toLowerCase()] === kind) return null;
  if (kind === "done" && job.plan) return null;
  return { kind, title: SAID[word].replace("{site}", site) };
}

function isStop({ action, required_params: params }) {
  const word = action.trim().toLowerCase();
  return ["stop", "cancel", "cancel_all_commands"].includes(word) || (word === "run" && String(params.script).trim().toLowerCase() === "stopscript");
}

// Phones take notifications from a worker alone.
async function raise(title, options, job) {
  const href = job ? `${document.body.dataset.jobPath}${job.ulid}?${new URLSearchParams({ site: job.site })}` : location.href;
  try {
    const shown = new Notification(title, options);
    shown.onclick = () => {
      focus();
      location.assign(href);
    };
  } catch {
    const registration = await navigator.serviceWorker?.register(document.body.dataset.notifyWorker);
    if (registration) await activated(registration);
    await registration?.showNotification(title, { ...options, data: { href } });
  }
}

// It is none of this page's own scripts' worker, so that `ready` would be waited for in vain.
async function activated({ active, installing, waiting }) {
  const coming = installing ?? waiting;
  if (active || !coming) return;
  await new Promise((resolve) => coming.addEventListener("statechange", () => coming.state === "activated" && resolve()));
}

function startPage(page) {
  for (const box of page.querySelectorAll("[data-notify-choice]")) {
    box.checked = choices()[box.dataset.notifyChoice];
    box.addEventListener("change", () => keep({ [box.dataset.notifyChoice]: box.checked }));
  }
  page.querySelector("[data-notify-turn]").addEventListener("click", () => turn(page));
  show(page);
}

async function turn(page) {
  const on = !isOn();
  if (on && (await Notification.requestPermission()) !== "granted") return show(page);
  keep({ on });
  const { site } = document.body.dataset;
  if (on) {
    localStorage.removeItem(SEEN + site); // what happened while it was off is no news
    raise(text("Notifications are on"), { body: text("So it will look when something happens to your jobs."), tag: "jobs-notifications" });
  }
  if (site) follow(site);
  show(page);
}

function show(page) {
  page.querySelector("[data-notify-state]").textContent = state();
  const button = page.querySelector("[data-notify-turn]");
  button.hidden = !isPossible() || Notification.permission === "denied";
  button.textContent = isOn() ? text("Show no more in this browser") : text("Show notifications in this browser");
  page.querySelector("[data-notify-choices]").hidden = button.hidden;
}

function state() {
  if (!isSecureContext) return text("Browsers show notifications only of pages that come by https, or from the PC itself; this page came by plain http. Have alerts sent to an address instead.");
  if (!isPossible()) return text("This browser shows none. On an iPhone, add this page to the home screen and open it there, or have alerts sent to an address.");
  if (Notification.permission === "denied") return text("This browser was told to show none of this page: allow them in its settings for this site, and load the page anew.");
  return isOn() ? text("On in this browser.") : text("Off in this browser.");
}
