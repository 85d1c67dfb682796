// Keeps all devices on the page Site as the server would write them now, a few seconds late at most.
import { asScript, count } from "./clock.js";
import { patch } from "./patch.js";

const EVERY_MS = 3000;
let isDue = false;

document.addEventListener("jobs:devices", () => {
  if (isDue) return;
  isDue = true;
  setTimeout(renew, EVERY_MS);
});

async function renew() {
  isDue = false;
  const shown = document.getElementById("devices");
  try {
    const answer = await fetch(shown.dataset.devicesSrc, { headers: asScript(), cache: "no-store" });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("devices");
    count(fresh);
    patch(shown, fresh);
  } catch {
    // The page itself says when the server is away.
  }
}
