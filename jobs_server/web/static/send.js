// The form that sends a job: what it would send is shown while it is filled in. The server reads it, the same way as
// when it is sent, so that what is shown is what goes out.

import { asScript } from "./clock.js";
import { note } from "./forms.js";
import { text } from "./texts.js";

const WAIT_MS = 250;

for (const form of document.querySelectorAll("[data-send]")) {
  let timer = null;
  let asked = 0;
  // `form.action` is the field of that name.
  const preview = async () => {
    const body = new URLSearchParams(new FormData(form));
    body.set("do", "preview");
    const mine = ++asked;
    const answer = await fetch(form.getAttribute("action"), { method: "POST", body, headers: asScript() }).catch(() => null);
    if (mine !== asked) return;
    if (!answer?.ok) return showNone(form);
    const preview = await answer.json();
    if (mine === asked) show(form, preview);
  };
  const soon = (event) => {
    event?.target?.closest?.("[data-field]")?.classList.add("touched");
    chooseGroup(form);
    clearTimeout(timer);
    timer = setTimeout(preview, WAIT_MS);
  };
  form.addEventListener("input", soon);
  keepInATunnel(form);
  form.addEventListener("submit", (event) => event.defaultPrevented || setTimeout(() => sends(form).forEach((button) => button.setAttribute("aria-busy", "true"))));
  // What was refused stays written beside its field until it is put right.
  for (const field of form.querySelectorAll("[data-field].faulty")) field.classList.add("touched");
  chooseGroup(form);
  form.querySelector(".ask-first")?.scrollIntoView({ block: "center" }); // not behind the bar
  // Browsers put back what was typed before only after this script has run, and a page out of the memory runs no script.
  addEventListener("pageshow", ({ persisted }) => {
    if (persisted) begin(form);
    chooseGroup(form);
    preview();
  });
}

// A page that comes back out of the memory has sent its job: what is sent from now on is another one.
function begin(form) {
  form.elements.key.value = Array.from(crypto.getRandomValues(new Uint8Array(18)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  for (const button of sends(form)) button.removeAttribute("aria-busy");
}

// Where the connection is known to be lost the server is tried first: the browser's own page of a failure has no form.
function keepInATunnel(form) {
  let reached = false;
  form.addEventListener("submit", async (event) => {
    if (reached || (navigator.onLine && document.getElementById("lost").hidden)) return;
    event.preventDefault();
    const button = event.submitter;
    reached = await fetch(document.body.dataset.liveSrc, { method: "HEAD", cache: "no-store" }).then(() => true, () => false);
    if (reached) form.requestSubmit(button);
    else note(text("Not sent: there is no connection to the server. What you filled in stays here; send it when the connection is back."), true);
  });
}

// On a phone a second one stands in sight of the thumb.
function sends(form) {
  return [...form.elements].filter((field) => field.name === "do" && field.value === "send");
}

// Show the fields of the chosen way to say where.
function chooseGroup(form) {
  const groups = [...form.querySelectorAll("[data-groups] input")];
  const chosen = groups.find((input) => input.checked)?.dataset.keys.split(" ") ?? [];
  const all = new Set(groups.flatMap((input) => input.dataset.keys.split(" ")));
  for (const key of all) {
    const field = form.querySelector(`[data-field="${key}"]`);
    if (field) field.hidden = !chosen.includes(key);
  }
  const then = form.querySelector("input[name=then]");
  if (then) form.querySelector(".then-fields").hidden = !then.checked;
}

// Nothing is shown rather than what no longer stands in the form.
function showNone(form) {
  form.querySelector("[data-lines]").textContent = text("No preview: the server could not be asked.");
  form.querySelector("[data-preview]").textContent = "";
}

// What a target's name or a pasted pair stands for is put into the fields.
function fill(form, preview) {
  const place = form.querySelector("[data-target]");
  if (!place) return;
  if (place.contains(document.activeElement)) form.elements.target.focus(); // what was chosen goes with its list
  if (place.dataset.shown !== preview.target) place.innerHTML = preview.target;
  place.dataset.shown = preview.target;
  for (const [name, value] of Object.entries(preview.filled)) {
    const field = form.elements[name];
    if (field instanceof HTMLInputElement) field.value = value;
  }
}

function show(form, preview) {
  fill(form, preview);
  document.body.toggleAttribute("data-held", preview.held);
  form.querySelector("[data-lines]").textContent = preview.lines.join(text(", then: "));
  form.querySelector("[data-preview]").textContent = preview.json;
  for (const caution of form.querySelectorAll("[data-caution]")) caution.hidden = !(caution.dataset.caution in preview.cautions);
  form.querySelector("[data-roles]").textContent = preview.cautions.roles ?? "";
  form.querySelector("[data-beyond]").textContent = preview.cautions.beyond ?? "";
  form.querySelector("[data-sky]").textContent = preview.cautions.sky ?? "";
  for (const field of form.querySelectorAll("[data-field]")) {
    const fault = preview.faults[field.dataset.field];
    const message = field.querySelector("[data-message]");
    const isShown = fault && field.classList.contains("touched");
    field.classList.toggle("faulty", Boolean(isShown));
    const said = (isShown ? fault : preview.readings[field.dataset.field]) ?? "";
    if (message && message.textContent !== said) message.textContent = said;
  }
}
