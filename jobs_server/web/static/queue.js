// Moves by hand in the queue: a row is dragged before another, or Alt with an arrow moves the row that has the focus.
// The buttons do the same without this script.
import { send } from "./forms.js";

const queue = document.getElementById("queue");
let dragged = null;

const rowOf = (target) => target?.closest?.("[data-queue] li:not([data-fixed])");
const form = () => queue.querySelector("[data-queue]");

function unmark() {
  for (const row of queue.querySelectorAll(".drop-before, .dragged")) row.classList.remove("drop-before", "dragged");
}

// Draggable only by a mouse: on a touch screen a long press would take the row instead of scrolling.
queue?.addEventListener("pointerdown", ({ target, pointerType }) => {
  const row = rowOf(target);
  if (row) row.draggable = pointerType === "mouse" && !target.closest("button");
});

queue?.addEventListener("dragstart", (event) => {
  dragged = rowOf(event.target)?.dataset.key ?? null;
  if (!dragged) return;
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setData("text/plain", dragged);
  rowOf(event.target).classList.add("dragged");
});

queue?.addEventListener("dragover", (event) => {
  const row = rowOf(event.target);
  if (!dragged || !row) return;
  event.preventDefault();
  for (const each of queue.querySelectorAll(".drop-before")) if (each !== row) each.classList.remove("drop-before");
  row.classList.add("drop-before");
});

queue?.addEventListener("drop", (event) => {
  const row = rowOf(event.target);
  if (!dragged || !row) return;
  event.preventDefault();
  if (row.dataset.key !== dragged) send(form(), null, { ulid: dragged, to: placeOf(row) });
});

queue?.addEventListener("dragend", () => {
  dragged = null;
  unmark();
});

// Before the row on which it was dropped, and behind the last one when that comes from above.
function placeOf(row) {
  const rows = [...queue.querySelectorAll("li:not([data-fixed])")];
  const from = rows.findIndex((each) => each.dataset.key === dragged);
  const to = rows.indexOf(row);
  return from < to ? (rows[to + 1]?.dataset.key ?? "last") : row.dataset.key;
}

queue?.addEventListener("keydown", (event) => {
  const deed = { ArrowUp: "up", ArrowDown: "down" }[event.key];
  const row = rowOf(event.target);
  if (!deed || !row || !event.altKey) return;
  event.preventDefault();
  send(form(), null, { [deed]: row.dataset.key });
});
