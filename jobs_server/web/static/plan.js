// The form of a plan: its rows, its length and its end are written by the server while it is filled in, the same way
// as when it is sent. Without this script each button is a page of its own.
import { text } from "./texts.js";

import { asScript } from "./clock.js";

const WAIT_MS = 250;

for (const form of document.querySelectorAll("[data-plan]")) {
  let timer = null;
  let asked = 0;
  let deeds = Promise.resolve(); // one after the other: each changes the rows that the one before has left
  // `form.action` might be a field of that name.
  const ask = async (what) => {
    clearTimeout(timer);
    const body = new URLSearchParams(new FormData(form));
    body.set("do", what);
    const mine = ++asked;
    const answer = await fetch(form.getAttribute("action"), { method: "POST", body, headers: asScript() }).catch(() => null);
    if (mine !== asked && what === "preview") return;
    if (!answer?.ok) return showNone(form);
    show(form, await answer.json(), what);
  };
  form.addEventListener("input", (event) => {
    event.target.closest("[data-field]")?.classList.add("touched");
    clearTimeout(timer);
    timer = setTimeout(ask, WAIT_MS, "preview");
  });
  form.addEventListener("submit", (event) => {
    const what = event.submitter?.value ?? "preview";
    if (what === "send" || what === "save") {
      setTimeout(() => event.submitter.setAttribute("aria-busy", "true"));
      return;
    }
    event.preventDefault();
    deeds = deeds.then(() => ask(what));
  });
  for (const field of form.querySelectorAll("[data-field].faulty")) field.classList.add("touched");
  form.querySelector(".ask-first")?.scrollIntoView({ block: "center" }); // not behind the bar
  // Browsers put back what was typed before only after this script has run, and a page out of the memory runs no script.
  addEventListener("pageshow", ({ persisted }) => {
    if (persisted) begin(form);
    ask("preview");
  });
}

// A page that comes back out of the memory has sent its plan: what is sent from now on is another one.
function begin(form) {
  form.elements.key.value = Array.from(crypto.getRandomValues(new Uint8Array(18)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  for (const button of form.querySelectorAll("[aria-busy]")) button.removeAttribute("aria-busy");
}

// Nothing is shown rather than what no longer stands in the form.
function showNone(form) {
  form.querySelector("[data-summary]").textContent = text("No preview: the server could not be asked.");
}

function show(form, preview, what) {
  const target = form.querySelector("[data-target]");
  if (target) {
    if (target.contains(document.activeElement)) form.elements.target.focus(); // what was chosen goes with its list
    put(target, preview.target);
  }
  for (const [name, value] of Object.entries(preview.filled)) {
    const field = form.elements[name];
    if (field instanceof HTMLInputElement) field.value = value;
  }
  const rows = form.querySelector("[data-rows]");
  if (rows && what !== "preview") putRows(rows, preview.rows, what); // while somebody types, the fields stay
  put(form.querySelector("[data-summary]"), preview.summary);
  for (const name of ["title", "template_name"]) if (form.elements[name]) form.elements[name].placeholder = preview.title;
  for (const field of form.querySelectorAll("[data-field]")) showFault(field, preview);
}

function putRows(rows, html, what) {
  const hadFocus = rows.contains(document.activeElement);
  rows.innerHTML = html;
  const [deed, number] = what.split(":");
  const wanted = deed === "up" ? `up:${number - 1}` : what;
  if (hadFocus) (rows.querySelector(`[value="${wanted}"]:enabled`) ?? rows.querySelector("button:enabled"))?.focus();
}

function put(place, html) {
  if (place.dataset.shown !== html) place.innerHTML = html;
  place.dataset.shown = html;
}

function showFault(field, { faults, readings }) {
  const message = field.querySelector("[data-message]");
  if (!message) return;
  const name = field.dataset.field;
  const found = faults[name] ?? Object.entries(faults).find(([key]) => key.startsWith(`${name}-`))?.[1];
  const fault = field.classList.contains("touched") ? found : null;
  field.classList.toggle("faulty", Boolean(fault));
  const said = fault ?? readings[name] ?? "";
  if (message.textContent !== said) message.textContent = said;
}
