// Forms marked data-in-place are sent without leaving the page: a success is a note that fades, a refusal one that stays.

const FADES_MS = 6000;

export function startForms() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset?.inPlace === undefined) return;
    event.preventDefault();
    send(form, event.submitter);
  });
}

async function send(form, button) {
  const body = new URLSearchParams(new FormData(form, button));
  try {
    const answer = await fetch(form.getAttribute("action"), { method: "POST", body, headers: { "X-Requested-By": "script" } });
    const text = await answer.text();
    if (answer.ok) note(JSON.parse(text).line, false);
    else note(text, true);
  } catch {
    note(`Not sent: the server could not be reached. ${button?.textContent ?? "It"} did nothing; try again.`, true);
  }
  document.dispatchEvent(new CustomEvent("jobs:changed"));
}

export function note(text, refused) {
  const line = document.createElement("p");
  line.className = refused ? "note refused" : "note done";
  if (refused) line.setAttribute("role", "alert");
  const sentence = document.createElement("span");
  sentence.textContent = text;
  const dismiss = document.createElement("button");
  dismiss.type = "button";
  dismiss.className = "btn btn-sm btn-plain";
  dismiss.textContent = "Dismiss";
  dismiss.addEventListener("click", () => line.remove());
  line.append(sentence, dismiss);
  document.getElementById("notes").append(line);
  line.scrollIntoView({ block: "nearest" });
  if (!refused) fade(line);
  if (refused) document.dispatchEvent(new CustomEvent("jobs:alarm"));
}

export function fade(line) {
  setTimeout(() => {
    line.classList.add("fading");
    setTimeout(() => line.remove(), 600);
  }, FADES_MS);
}
