// Copies a line, also where the page came by plain http: browsers keep their clipboard from such pages, and copy what is
// selected all the same.
import { text } from "./texts.js";

const SAID_MS = 2000;

export function startCopying() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (button) copy(button);
  });
}

async function copy(button) {
  const line = button.closest(".copied").querySelector("[data-copied]");
  const isCopied = await byClipboard(line.textContent) || bySelection(line);
  const before = button.dataset.label ??= button.textContent;
  button.textContent = isCopied ? text("Copied") : text("Press Ctrl-C");
  clearTimeout(button.timer);
  button.timer = setTimeout(() => (button.textContent = before), SAID_MS);
}

async function byClipboard(line) {
  try {
    await navigator.clipboard.writeText(line);
    return true;
  } catch {
    return false; // plain http, or somebody has forbidden it
  }
}

// What is selected stays selected: where nothing is copied, a person copies it by the keyboard.
function bySelection(line) {
  getSelection().selectAllChildren(line);
  return document.execCommand("copy");
}
