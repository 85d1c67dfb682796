// Starts what the page has. Everything here improves on plain HTML, and nothing depends on it.
import { startClocks } from "./clock.js";
import { startForms } from "./forms.js";
import { startLive } from "./live.js";
import { startShell } from "./shell.js";

startClocks();
startShell();
startForms();
startLive();

const parts = {
  "[data-timeline]": "./timeline.js",
  "[data-send]": "./send.js",
  "[data-booking]": "./booking.js",
  "[data-chart]": "./charts.js",
};
for (const [selector, module] of Object.entries(parts)) {
  if (document.querySelector(selector)) {
    import(module).then((part) => part.start(document.querySelectorAll(selector)));
  }
}
