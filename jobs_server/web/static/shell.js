// The small things around every page: menus that close, the theme without a reload, sound when it is wanted.
import { fade, note } from "./forms.js";
import { text } from "./texts.js";

const SOUND = "jobs-sound";

export function startShell() {
  for (const line of document.querySelectorAll(".note.done")) fade(line);
  document.addEventListener("click", (event) => closeMenus(event.target));
  document.addEventListener("keydown", (event) => event.key === "Escape" && closeMenus(document.body));
  startTheme();
  keepWhatIsTyped();
  printWhole();
  startSound();
  keepRoomForTheBar();
}

function closeMenus(outside) {
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (!menu.contains(outside)) menu.open = false;
  }
}

function startTheme() {
  for (const form of document.querySelectorAll("[data-theme-form]")) {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const body = new URLSearchParams(new FormData(form, event.submitter));
      wear(event.submitter.value);
      await fetch(form.getAttribute("action"), { method: "POST", body, redirect: "manual" });
      document.dispatchEvent(new CustomEvent("jobs:theme"));
    });
  }
}

// A form that is half filled in stays, in the time that it says: the next page has the other one.
function keepWhatIsTyped() {
  const isTyped = (field) => field.value !== field.defaultValue || field.checked !== field.defaultChecked;
  for (const form of document.querySelectorAll(".clock-switch")) {
    form.addEventListener("submit", async (event) => {
      if (![...document.querySelectorAll("main :is(input, textarea):not([type=hidden])")].some(isTyped)) return;
      event.preventDefault();
      const body = new URLSearchParams(new FormData(form, event.submitter));
      await fetch(form.getAttribute("action"), { method: "POST", body, redirect: "manual" });
      note(text("{what} from the next page on. This one stays as it is, with what you typed.", { what: event.submitter.textContent }), false);
    });
  }
}

// `auto` leaves the choice to the browser.
function wear(theme) {
  const root = document.documentElement;
  if (theme === "auto") delete root.dataset.theme;
  else root.dataset.theme = theme;
  document.querySelector("meta[name=color-scheme]").content = { auto: "light dark", light: "light" }[theme] ?? "dark";
  const bar = getComputedStyle(root).getPropertyValue("--surface").trim();
  for (const meta of document.querySelectorAll("meta[name=theme-color]")) meta.content = bar;
  for (const button of document.querySelectorAll("[data-theme-form] .segments button")) button.setAttribute("aria-pressed", String(button.value === theme));
  const red = document.querySelector("[data-red]");
  if (theme !== "night") red.dataset.red = theme;
  red.value = theme === "night" ? red.dataset.red : "night"; // there and back with one button
  red.setAttribute("aria-pressed", String(theme === "night"));
}

// Paper does not unfold.
function printWhole() {
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("main details:not([open])")];
    for (const each of folded) each.open = true;
  });
  addEventListener("afterprint", () => {
    for (const each of folded) each.open = false;
  });
}

function startSound() {
  const box = document.querySelector("[data-sound]");
  if (!box) return;
  box.checked = localStorage.getItem(SOUND) === "on";
  box.addEventListener("change", () => {
    localStorage.setItem(SOUND, box.checked ? "on" : "off");
    if (box.checked) beep();
  });
  document.addEventListener("jobs:alarm", () => box.checked && beep());
}

function beep() {
  const audio = new AudioContext();
  const tone = audio.createOscillator();
  tone.frequency.value = 660;
  tone.connect(audio.destination);
  tone.start();
  tone.stop(audio.currentTime + 0.25);
  tone.onended = () => audio.close();
}

function keepRoomForTheBar() {
  const bar = document.querySelector(".dock");
  if (!bar) return;
  new ResizeObserver(() => document.documentElement.style.setProperty("--bar-height", `${bar.offsetHeight + 8}px`)).observe(bar);
}
