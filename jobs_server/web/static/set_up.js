// The set-up's form: what the place means is shown while it is typed. The server reads it, the same way as when it is sent.
import { asScript } from "./clock.js";

const WAIT_MS = 200;

const form = document.querySelector("[data-set-up]");
if (form) startPlace(form);

function startPlace(form) {
  const field = form.elements.place;
  const says = form.querySelector("[data-place]");
  let timer = null;
  let asked = 0;
  const look = async () => {
    const mine = ++asked;
    const query = new URLSearchParams({ place: field.value });
    const answer = await fetch(`${form.dataset.placeSrc}?${query}`, { headers: asScript() }).catch(() => null);
    const text = answer?.ok ? await answer.text() : "";
    if (mine === asked) says.innerHTML = text;
  };
  field.addEventListener("input", () => {
    form.querySelector("#s-place-message")?.remove();
    clearTimeout(timer);
    timer = setTimeout(look, WAIT_MS);
  });
  says.addEventListener("change", (event) => {
    field.value = event.target.value;
    field.focus();
    look();
  });
}
