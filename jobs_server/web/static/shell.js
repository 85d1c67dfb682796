// The small things around every page: menus that close, the theme without a reload, sound when it is wanted.
import { fade } from "./forms.js";

const SOUND = "jobs-sound";

export function startShell() {
  for (const line of document.querySelectorAll(".note.done")) fade(line);
  document.addEventListener("click", (event) => closeMenus(event.target));
  document.addEventListener("keydown", (event) => event.key === "Escape" && closeMenus(document.body));
  document.querySelector(".pages [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  startTheme();
  startSound();
  keepRoomForTheBar();
}

function closeMenus(outside) {
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (!menu.contains(outside)) menu.open = false;
  }
}

function startTheme() {
  const form = document.querySelector("[data-theme-form]");
  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = event.submitter;
    document.documentElement.dataset.theme = button.value;
    document.querySelector("meta[name=color-scheme]").content = button.value === "light" ? "light" : "dark";
    for (const other of form.querySelectorAll("button")) other.setAttribute("aria-pressed", String(other === button));
    await fetch(form.getAttribute("action"), { method: "POST", body: new URLSearchParams(new FormData(form, button)), redirect: "manual" });
    document.dispatchEvent(new CustomEvent("jobs:theme"));
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
  const bar = document.querySelector(".stopbar");
  if (!bar) return;
  new ResizeObserver(() => document.documentElement.style.setProperty("--bar-height", `${bar.offsetHeight + 8}px`)).observe(bar);
}
