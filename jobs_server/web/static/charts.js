// Charts drawn from the tables behind them: what a chart shows can be read there as well.
import { duration } from "./clock.js";

const SVG = "http://www.w3.org/2000/svg";
const KINDS = ["done", "failed", "canceled", "expired", "lost", "open"];
const ROW = 26;
const AXIS = 20;
const NARROWEST = 80; // while a page is laid out, it may have no width yet
const TICKS_MS = [10, 100, 1000, 10000, 60000, 600000, 3600000, 36000000];

export function start(holders) {
  for (const holder of holders) {
    const draw = holder.dataset.chart === "nights" ? drawNights : drawSpread;
    const table = document.getElementById(holder.dataset.table);
    new ResizeObserver(() => holder.clientWidth > NARROWEST && draw(holder, table)).observe(holder);
  }
}

function drawNights(holder, table) {
  const nights = [...table.tBodies[0].rows].reverse().map((row) => ({
    name: row.cells[0].textContent,
    counts: KINDS.map((kind) => Number(row.querySelector(`[data-kind=${kind}]`).textContent)),
  }));
  const [width, height] = [holder.clientWidth, 160];
  const most = Math.max(1, ...nights.map((night) => sum(night.counts)));
  const step = (width - 36) / nights.length;
  const svg = picture(width, height + AXIS, `Jobs of ${nights.length} nights`);
  for (const share of [0, 0.5, 1]) {
    const y = height - share * (height - 12);
    svg.append(shape("line", { class: "rule", x1: 32, x2: width, y1: y, y2: y }), words(28, y + 4, Math.round(most * share), "end"));
  }
  nights.forEach((night, index) => {
    let y = height;
    const x = 36 + index * step;
    night.counts.forEach((count, kind) => {
      if (!count) return;
      const tall = (count / most) * (height - 12);
      y -= tall;
      const bar = shape("rect", { class: `bar ${KINDS[kind]}`, x: x + step * 0.1, y, width: Math.min(64, step * 0.8), height: Math.max(1, tall - 1) });
      bar.append(title(`${night.name}: ${count} ${KINDS[kind] === "open" ? "not ended" : KINDS[kind]} of ${sum(night.counts)}`));
      svg.append(bar);
    });
    if (index % Math.ceil(44 / step) === 0) svg.append(words(x + step * 0.1, height + 15, night.name.slice(5), "start"));
  });
  holder.replaceChildren(svg);
}

function drawSpread(holder, table) {
  const rows = [...table.tBodies[0].rows].filter((row) => row.querySelector("[data-middle]"));
  if (!rows.length) {
    holder.textContent = "Nothing to show yet.";
    return;
  }
  const data = rows.map((row) => {
    const cell = row.querySelector("[data-middle]").dataset;
    return { name: row.cells[0].textContent, count: row.cells[1].textContent, ...Object.fromEntries(["low", "middle", "high", "longest"].map((key) => [key, Number(cell[key])])) };
  });
  const width = holder.clientWidth;
  const left = Math.min(190, width * 0.38);
  const most = Math.max(1000, ...data.map((each) => each.longest)) * 1.2;
  const x = (ms) => left + (Math.log10(Math.max(10, ms) / 10) / Math.log10(most / 10)) * (width - left - 8);
  const bottom = data.length * ROW;
  const svg = picture(width, bottom + AXIS, `Durations of ${data.length} actions, on a logarithmic scale`);
  let last = -Infinity;
  for (const tick of TICKS_MS.filter((ms) => ms < most)) {
    svg.append(shape("line", { class: "rule", x1: x(tick), x2: x(tick), y1: 0, y2: bottom }));
    if (x(tick) - last < 44) continue;
    last = x(tick);
    svg.append(words(x(tick), bottom + 15, short(tick), "middle"));
  }
  data.forEach((each, index) => {
    const y = index * ROW;
    const letters = Math.floor(left / 6.6);
    svg.append(words(0, y + ROW / 2 + 4, each.name.length > letters ? `${each.name.slice(0, letters - 1)}…` : each.name, "start", "device"));
    const row = shape("g", { class: "spread" });
    row.append(
      shape("rect", { class: "hit", x: left, y, width: width - left, height: ROW }),
      shape("line", { class: "whisker", x1: x(each.high), x2: x(each.longest), y1: y + ROW / 2, y2: y + ROW / 2 }),
      shape("rect", { class: "bar", x: x(each.low), y: y + 7, width: Math.max(3, x(each.high) - x(each.low)), height: ROW - 14, rx: 2 }),
      shape("line", { class: "median", x1: x(each.middle), x2: x(each.middle), y1: y + 4, y2: y + ROW - 4 }),
      title(`${each.name}: ${each.count} jobs, median ${duration(each.middle)}, eight in ten ${duration(each.low)} to ${duration(each.high)}, longest ${duration(each.longest)}`),
    );
    svg.append(row);
  });
  holder.replaceChildren(svg);
}

function short(ms) {
  if (ms < 1000) return `${ms} ms`;
  if (ms < 60000) return `${ms / 1000} s`;
  return ms < 3600000 ? `${ms / 60000} min` : `${ms / 3600000} h`;
}

function sum(counts) {
  return counts.reduce((one, other) => one + other, 0);
}

function picture(width, height, label) {
  return shape("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label });
}

function shape(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function words(x, y, text, anchor, className = "") {
  const made = shape("text", { x, y, "text-anchor": anchor, class: className });
  made.textContent = text;
  return made;
}

function title(text) {
  const made = document.createElementNS(SVG, "title");
  made.textContent = text;
  return made;
}
