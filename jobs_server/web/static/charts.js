// Charts drawn from the tables behind them: what a chart shows can be read there as well. Pointing at a part, or a tap,
// shows its numbers.
import { duration } from "./clock.js";
import { number as decimal, text } from "./texts.js";

const SVG = "http://www.w3.org/2000/svg";
const KINDS = ["done", "failed", "canceled", "expired", "lost", "open"];
const ROW = 34;
const AXIS = 20;
const TALL = innerWidth < 500 ? 120 : 160;
const LEFT = 64;
const NARROWEST = 80; // while a page is laid out, it may have no width yet
const BINS_A_DECADE = 4;
const SHORTEST_MS = 10;
const TICKS_MS = [10, 30, 100, 300, 1000, 3000, 10000, 30000, 60000, 180000, 600000, 1800000, 3600000, 10800000, 36000000, 108000000];
const APART = 22;
const DRAW = { nights: drawNights, silence: drawSilence, histograms: drawHistograms, bands: drawBands };

for (const holder of document.querySelectorAll("[data-chart]")) {
  const rows = [...document.getElementById(holder.dataset.table).tBodies[0].rows];
  const draw = DRAW[holder.dataset.chart];
  const tip = document.createElement("p");
  tip.className = "timeline-tip";
  new ResizeObserver(() => {
    if (holder.clientWidth <= NARROWEST) return;
    tip.hidden = true;
    const svg = draw(rows, holder.clientWidth);
    holder.replaceChildren(...(svg ? [svg, tip] : [nothing()]));
  }).observe(holder);
  for (const kind of ["pointermove", "pointerdown"]) holder.addEventListener(kind, (event) => point(holder, tip, event));
  holder.addEventListener("pointerleave", (event) => (tip.hidden ||= event.pointerType === "mouse"));
}

function point(holder, tip, event) {
  const { tipText } = event.target;
  tip.hidden = !tipText;
  if (!tipText) return;
  tip.textContent = tipText;
  const box = holder.getBoundingClientRect();
  tip.style.left = `${Math.max(0, Math.min(event.clientX - box.left + 10, box.width - 230))}px`;
  tip.style.top = `${event.clientY - box.top + 16}px`;
}

function drawNights(rows, width) {
  const heads = [...(rows[0]?.closest("table").tHead.rows[0].cells ?? [])].slice(1);
  const names = heads.map((cell) => cell.textContent); // in the page's language
  const nights = rows.toReversed().map((row) => ({
    name: row.cells[0].textContent,
    counts: KINDS.map((kind) => Number(row.querySelector(`[data-kind=${kind}]`).textContent)),
  }));
  const most = Math.max(1, ...nights.map((night) => sum(night.counts)));
  const svg = picture(width, TALL + AXIS, text("Jobs of {count} nights", { count: nights.length }));
  for (const share of [0, 0.5, 1]) rule(svg, width, TALL - share * (TALL - 12), Math.round(most * share));
  columns(svg, width, nights, (night, x, wide) => {
    let y = TALL;
    night.counts.forEach((count, kind) => {
      if (!count) return;
      const tall = (count / most) * (TALL - 12);
      y -= tall;
      const bar = shape("rect", { class: `bar ${KINDS[kind]}`, x, y, width: wide, height: Math.max(1, tall - 1) });
      svg.append(withTip(bar, text("{night}: {count} {result} of {all}", { night: night.name, count, result: names[kind], all: sum(night.counts) })));
    });
  });
  return svg;
}

function drawSilence(rows, width) {
  const nights = rows.toReversed().map((row) => ({
    name: row.cells[0].textContent,
    ms: Number(row.querySelector("[data-silent]").dataset.silent),
    waited: Number(row.querySelector("[data-silent]").dataset.waited),
    tipText: text("silent for {time}, {count} times, longest {longest}", { time: row.cells[1].textContent, count: row.cells[2].textContent, longest: row.cells[3].textContent }),
    meanwhile: row.cells[4].textContent,
  }));
  const most = Math.max(60000, ...nights.map((night) => night.ms));
  const svg = picture(width, TALL + AXIS, text("Silence of the site in {count} nights", { count: nights.length }));
  for (const share of [0, 0.5, 1]) rule(svg, width, TALL - share * (TALL - 12), share ? short(most * share) : "0");
  columns(svg, width, nights, (night, x, wide) => {
    const tall = (ms) => (ms ? Math.max(3, (ms / most) * (TALL - 12)) : 0);
    const [all, waited] = [Math.max(1, tall(night.ms)), tall(night.waited)];
    const meanwhile = night.waited ? text("jobs waited for {time} of it", { time: night.meanwhile }) : text("no job waited long");
    const tipText = `${night.name}: ${night.ms ? `${night.tipText}; ${meanwhile}` : text("not silent")}`;
    for (const [kind, top, height] of [[night.ms ? "open" : "done", all, all - waited], ["lost", waited, waited]]) {
      if (height > 0) svg.append(withTip(shape("rect", { class: `bar ${kind}`, x, y: TALL - top, width: wide, height }), tipText));
    }
    svg.append(withTip(shape("rect", { class: "hit", x, y: 0, width: wide, height: TALL }), tipText));
  });
  return svg;
}

function drawHistograms(rows, width) {
  const data = spreads(rows);
  if (!data.length) return null;
  const left = Math.min(190, width * 0.38);
  const first = Math.min(...data.map((each) => each.bins[0][0]));
  const last = Math.max(...data.map((each) => each.bins.at(-1)[0])) + 1;
  const bottom = data.length * ROW;
  const wide = (width - left - 8) / (last - first);
  const x = (ms) => left + (inBins(ms) - first) * wide;
  const svg = picture(width, bottom + AXIS, text("Distribution of durations of {count} actions", { count: data.length }));
  ticks(svg, x, edge(first), edge(last), bottom, width);
  data.forEach((each, index) => {
    const y = index * ROW;
    const letters = Math.floor(left / 6.6);
    svg.append(textAt(0, y + ROW / 2 + 4, each.name.length > letters ? `${each.name.slice(0, letters - 1)}…` : each.name, "start", "device"));
    const row = shape("g", { class: "spread" });
    const most = Math.max(...each.bins.map(([, count]) => count));
    row.append(withTip(shape("rect", { class: "hit", x: left, y, width: width - left, height: ROW }), whole(each)));
    for (const [bin, count] of each.bins) {
      const tall = Math.max(2, (count / most) * (ROW - 8));
      const bar = shape("rect", { class: "bar", x: left + (bin - first) * wide, y: y + ROW - 3 - tall, width: Math.max(1, wide - 1), height: tall });
      row.append(withTip(bar, bin ? text("{name}: {count} of {all} took {least} to {most}", { name: each.name, count, all: each.count, least: duration(edge(bin)), most: duration(edge(bin + 1)) }) : text("{name}: {count} of {all} took up to {most}", { name: each.name, count, all: each.count, most: duration(edge(bin + 1)) })));
    }
    const middle = x(each.middle);
    row.append(shape("line", { class: "median", x1: middle, x2: middle, y1: y + 3, y2: y + ROW - 3 }));
    row.append(shape("line", { class: "rule", x1: left, x2: width, y1: y + ROW - 2, y2: y + ROW - 2 }));
    svg.append(row);
  });
  return svg;
}

function drawBands(rows, width) {
  const data = spreads(rows).reverse();
  if (!data.length) return null;
  const lowest = Math.min(...data.map((each) => inBins(each.low)));
  const highest = Math.max(...data.map((each) => inBins(each.longest)), lowest + 1);
  const y = (ms) => TALL - 6 - ((inBins(ms) - lowest) / (highest - lowest)) * (TALL - 18);
  const svg = picture(width, TALL + AXIS, text("Durations over {count} nights", { count: data.length }));
  let last = Infinity;
  for (const tick of TICKS_MS.filter((ms) => inBins(ms) >= lowest && inBins(ms) <= highest)) {
    if (last - y(tick) < APART) continue;
    last = y(tick);
    rule(svg, width, last, short(tick));
  }
  columns(svg, width, data, (each, x, wide) => {
    const middle = x + wide / 2;
    const row = shape("g", { class: "spread" });
    row.append(
      shape("line", { class: "whisker", x1: middle, x2: middle, y1: y(each.high), y2: y(each.longest) }),
      shape("rect", { class: "bar", x, y: y(each.high), width: wide, height: Math.max(3, y(each.low) - y(each.high)), rx: 2 }),
      shape("line", { class: "median", x1: x, x2: x + wide, y1: y(each.middle), y2: y(each.middle) }),
      withTip(shape("rect", { class: "hit", x, y: 0, width: wide, height: TALL }), whole(each)),
    );
    svg.append(row);
  });
  return svg;
}

function spreads(rows) {
  return rows.filter((row) => row.querySelector("[data-middle]")).map((row) => {
    const { low, middle, high, longest, bins } = row.querySelector("[data-middle]").dataset;
    const numbers = Object.fromEntries(Object.entries({ low, middle, high, longest }).map(([name, ms]) => [name, Number(ms)]));
    const counted = bins.trim().split(" ").map((bin) => bin.split(":").map(Number));
    return { name: row.cells[0].textContent, count: Number(row.cells[1].textContent), bins: counted, ...numbers };
  });
}

function whole(each) {
  const times = { middle: duration(each.middle), low: duration(each.low), high: duration(each.high), longest: duration(each.longest) };
  return text("{name}: {count} jobs, median {middle}, eight in ten {low} to {high}, longest {longest}", { name: each.name, count: each.count, ...times });
}

// A column for each night, with as many of their names below as there is room for.
function columns(svg, width, nights, draw) {
  const step = (width - LEFT) / nights.length;
  const wide = Math.min(64, Math.max(1, step * 0.8));
  nights.forEach((night, index) => {
    const x = LEFT + index * step + (step - wide) / 2;
    draw(night, x, wide);
    if (index % Math.ceil(44 / step) === 0) svg.append(textAt(Math.max(LEFT + 16, x + wide / 2), TALL + 15, night.name.slice(-5), "middle"));
  });
}

function rule(svg, width, y, said) {
  svg.append(shape("line", { class: "rule", x1: LEFT - 4, x2: width, y1: y, y2: y }), textAt(LEFT - 8, y + 4, said, "end"));
}

function ticks(svg, x, from, to, bottom, width) {
  let last = -Infinity;
  for (const tick of TICKS_MS.filter((ms) => ms >= from && ms <= to)) {
    if (x(tick) - last < 44) continue;
    last = x(tick);
    svg.append(shape("line", { class: "rule", x1: last, x2: last, y1: 0, y2: bottom }));
    const atTheEdge = last > width - 24;
    svg.append(textAt(atTheEdge ? width : last, bottom + 15, short(tick), atTheEdge ? "end" : "middle"));
  }
}

function inBins(ms) {
  return Math.log10(Math.max(SHORTEST_MS, ms) / SHORTEST_MS) * BINS_A_DECADE;
}

function edge(bin) {
  return SHORTEST_MS * 10 ** (bin / BINS_A_DECADE);
}

function nothing() {
  const line = document.createElement("p");
  line.className = "empty";
  line.textContent = text("Nothing to show yet.");
  return line;
}

function withTip(made, said) {
  made.tipText = said;
  return made;
}

function short(ms) {
  const round = (value) => decimal(String(Math.round(value * 10) / 10));
  if (ms < 1000) return `${round(ms)} ms`;
  if (ms < 60000) return `${round(ms / 1000)} s`;
  return ms < 3600000 ? `${round(ms / 60000)} min` : `${round(ms / 3600000)} h`;
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

function textAt(x, y, said, anchor, className = "") {
  const made = shape("text", { x, y, "text-anchor": anchor, class: className });
  made.textContent = said;
  return made;
}
