// Forms marked data-in-place are sent without leaving the page: a success is a note that fades, a refusal one that stays.
import { text } from "./texts.js";

import { asScript } from "./clock.js";

const FADES_MS = 6000;
const UNDO_MS = 30000;

export function startForms() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset?.inPlace === undefined) return;
    event.preventDefault();
    send(form, event.submitter);
  });
}

export async function send(form, button, more = {}) {
  const body = new URLSearchParams(new FormData(form, button));
  for (const [name, value] of Object.entries(more)) body.set(name, value);
  try {
    const answer = await fetch(form.getAttribute("action"), { method: "POST", body, headers: asScript() });
    const said = await answer.text();
    if (!answer.ok) return void note(said, true);
    const { line, button: undo } = JSON.parse(said);
    form.closest(".note")?.remove(); // what could be undone is
    note(line, false, undo);
  } catch {
    note(text("Not sent: the server could not be reached. {what} did nothing; try again.", { what: button?.textContent ?? text("It") }), true);
  } finally {
    document.dispatchEvent(new CustomEvent("jobs:changed"));
  }
}

// `undo`: the form, as HTML of the server, that takes back what was done.
export function note(said, refused, undo = "") {
  const line = document.createElement("div");
  line.className = refused ? "note refused" : "note done";
  if (refused) line.setAttribute("role", "alert");
  const sentence = document.createElement("span");
  sentence.textContent = said;
  const dismiss = document.createElement("button");
  dismiss.type = "button";
  dismiss.className = "btn btn-sm btn-plain";
  dismiss.textContent = text("Dismiss");
  dismiss.addEventListener("click", () => line.remove());
  line.append(sentence);
  line.insertAdjacentHTML("beforeend", undo);
  line.append(dismiss);
  document.getElementById("notes").append(line);
  line.scrollIntoView({ block: "nearest" });
  if (!refused) fade(line, undo ? UNDO_MS : FADES_MS);
  if (refused) document.dispatchEvent(new CustomEvent("jobs:alarm"));
}

export function fade(line, afterMs = FADES_MS) {
  setTimeout(() => {
    line.classList.add("fading");
    setTimeout(() => line.remove(), 600);
  }, afterMs);
}
