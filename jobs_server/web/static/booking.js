// Reserving: times are chosen by dragging in the week or by arrows, and whose reservation is in the way is said before
// anything is sent.
import { asScript } from "./clock.js";
import { startWeek } from "./week.js";

const WAIT_MS = 300;

for (const form of document.querySelectorAll("[data-booking]")) start(form);

function start(form) {
  const conflict = form.querySelector("[data-conflict]");
  const week = startWeek(form);
  let timer = null;
  let asked = 0;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(check, WAIT_MS);
    week.draw();
  });
  week.draw();
  check();
  let held = week.held();
  document.addEventListener("jobs:shown", () => {
    const before = held;
    held = week.held();
    if (held !== before) check();
  });

  async function check() {
    if (!form.elements.start.value || !form.elements.end.value) return;
    const mine = ++asked;
    const body = new URLSearchParams(new FormData(form));
    body.set("do", "check");
    const answer = await fetch(form.getAttribute("action"), { method: "POST", body, headers: asScript() }).catch(() => null);
    if (!answer?.ok || mine !== asked) return;
    const { fault } = await answer.json();
    conflict.textContent = fault;
    week.warn(fault);
  }
}
