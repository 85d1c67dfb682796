// What clocks of a time zone show, and what a time that somebody wrote by such a clock is in ms since 1970 UTC, as
// web/wall_clocks.py and observatory/site_time.py have it.

const DAY_MS = 86400000;
const MARKED = /(Z|UTC|[+-]\d\d:\d\d)$/i;
const shapes = new Map();

// Null for a zone that this browser does not know.
function shapeOf(zone) {
  if (!shapes.has(zone)) shapes.set(zone, made(zone));
  return shapes.get(zone);
}

function made(zone) {
  const two = "2-digit";
  try {
    return new Intl.DateTimeFormat("en-GB", { year: "numeric", month: two, day: two, hour: two, minute: two, second: two, hourCycle: "h23", timeZone: zone });
  } catch {
    return null;
  }
}

export function isKnown(zone) {
  return shapeOf(zone) !== null;
}

// What the clock shows, as a time that UTC shows then.
export function shown(ms, zone) {
  if (zone === "UTC") return ms;
  const [day, month, year, hour, minute, second] = shapeOf(zone).format(ms).match(/\d+/g).map(Number);
  return Date.UTC(year, month - 1, day, hour, minute, second) + (((ms % 1000) + 1000) % 1000);
}

// When a clock shows a time: never in the hour that is left out, twice in the hour that comes again.
function when(wall, zone) {
  const offsets = [-DAY_MS, DAY_MS].map((apart) => shown(wall + apart, zone) - (wall + apart));
  const found = offsets.map((offset) => wall - offset).filter((ms) => shown(ms, zone) === wall);
  return [...new Set(found)];
}

// Not a number for what is none, and for a time that the clock shows never or twice.
export function read(text, zone) {
  const written = text.trim().replace(" ", "T");
  const mark = written.match(MARKED)?.[0];
  if (mark && written.includes(":")) return Date.parse(written.replace(/ ?UTC$/i, "Z"));
  const wall = Date.parse(`${written}Z`);
  if (zone === "UTC" || Number.isNaN(wall)) return wall;
  const found = when(wall, zone);
  return found.length === 1 ? found[0] : NaN;
}

// To the minute, with its offset where the clock shows it twice.
export function written(ms, zone) {
  const minute = Math.floor(ms / 60000) * 60000;
  const wall = shown(minute, zone);
  const text = new Date(wall).toISOString().slice(0, 16).replace("T", " ");
  return zone === "UTC" || when(wall, zone).length === 1 ? text : text + offset(wall - minute);
}

function offset(ms) {
  const minutes = Math.round(Math.abs(ms) / 60000);
  return `${ms < 0 ? "-" : "+"}${[minutes / 60, minutes % 60].map((part) => String(Math.floor(part)).padStart(2, "0")).join(":")}`;
}
