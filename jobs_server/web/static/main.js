// Starts what every page has; what only some have is in scripts of their own, which those pages name. Everything here
// improves on plain HTML, and nothing depends on it.
import { startClocks } from "./clock.js";
import { startCopying } from "./copy.js";
import { startForms } from "./forms.js";
import { startKeys } from "./keys.js";
import { startLive } from "./live.js";
import { startShell } from "./shell.js";

startClocks();
startShell();
startForms();
startCopying();
startKeys();
startLive();

// Fetched where somebody has switched notifications on in this browser, or may do so: no other first visit waits for it.
const NOTIFICATIONS = "jobs-notifications";
const load = async () => (await import("./notify.js")).startNotifications();
const switched = ({ key }) => {
  if (key !== NOTIFICATIONS) return;
  removeEventListener("storage", switched);
  load();
};
if (document.querySelector("[data-notify-page]") || localStorage.getItem(NOTIFICATIONS)) load();
else addEventListener("storage", switched);
