// Single keys: a list of them, the ways to Now and Send, and Stop, which only the second press sends.
import { text } from "./texts.js";

const REMEMBERED = "jobs-single-keys";
const CONFIRM_MS = 4000;
let asked = null; // the timer of the question whether to stop
let before = null; // what had the focus before the list was shown

export function startKeys() {
  const sheet = document.getElementById("keys");
  const single = sheet.querySelector("[data-single-keys]");
  single.checked = localStorage.getItem(REMEMBERED) !== "off";
  single.addEventListener("change", () => localStorage.setItem(REMEMBERED, single.checked ? "on" : "off"));
  document.querySelector("[data-show-keys]")?.addEventListener("click", () => show(sheet));
  sheet.querySelector("[data-close-keys]").addEventListener("click", () => hide(sheet));
  document.addEventListener("click", (event) => event.target.closest("[data-show-keys], #keys") || hide(sheet));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") forget(), hide(sheet);
    else if (single.checked && isAlone(event)) press(event, sheet);
  });
}

// Not what is typed into a field, nor what belongs to the browser; a key that is held down is one press.
function isAlone(event) {
  const { target, ctrlKey, altKey, metaKey, repeat, isComposing } = event;
  return !(ctrlKey || altKey || metaKey || repeat || isComposing || target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]"));
}

function press(event, sheet) {
  const link = document.querySelector(`.pages [data-press="${CSS.escape(event.key)}"]`);
  if (event.key === "?") sheet.hidden ? show(sheet) : hide(sheet);
  else if (event.key === ".") stop();
  else if (link) location.href = link.href;
  else return;
  event.preventDefault();
}

function stop() {
  const button = document.querySelector(".stop.hard");
  if (!button) return;
  if (asked) {
    forget();
    button.click();
    return;
  }
  const question = document.createElement("p");
  question.className = "sure";
  question.setAttribute("role", "alert");
  question.textContent = text("Press . once more to stop now; Escape leaves it.");
  button.closest(".stopbar").prepend(question);
  asked = setTimeout(forget, CONFIRM_MS);
}

function forget() {
  clearTimeout(asked);
  asked = null;
  document.querySelector(".sure")?.remove();
}

function show(sheet) {
  for (const menu of document.querySelectorAll("details[data-menu][open]")) menu.open = false;
  before = document.activeElement;
  sheet.hidden = false;
  sheet.focus();
}

function hide(sheet) {
  if (sheet.hidden) return;
  sheet.hidden = true;
  before?.focus();
}
