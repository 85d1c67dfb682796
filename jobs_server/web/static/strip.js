// The strip of devices, as web/strip.py writes it, from what the stream says each second: for that no page is fetched.
// What a tile cannot show, such as a device of which nothing was said before, comes with the page.
import { age, now } from "./clock.js";
import { number as decimal, text as said } from "./texts.js";

const LONGEST = 40;
const LARGEST = 1e15;
const AT_REST = new Set(
  "|idle|parked|tracking|open|closed|partly|error|ok|ready|safe|unsafe|stopped|off|on|connected|disconnected|unknown|none".split("|"),
);
const GREY_MS = 60000;

const KINDS = [
  { key: "mount", devices: ["mount", "telescope"], word: status, value: pointing },
  { key: "roof", devices: ["enclosure", "dome", "roof"], word: status, value: (values) => joined(written(values, "azimuth_degrees", 0, "°", `${said("dome")}\u00a0`), text(values, "mode")) },
  {
    key: "weather",
    devices: ["weather", "safety", "safety_monitor", "safetymonitor", "observing_conditions", "observingconditions"],
    word: (values) => (typeof values.safe === "boolean" ? (values.safe ? said("safe") : said("unsafe")) : status(values)),
    value: (values) =>
      joined(written(values, "temperature_c", 0, "\u00a0°C"), written(values, "humidity_percent", 0, "\u00a0%"), written(values, "wind_m_per_s", 0, "\u00a0m/s")),
    isOne: true,
  },
  {
    key: "camera",
    devices: ["camera"],
    word: status,
    value: (values) => joined(frames(values), written(values, "temperature_c", 1, "\u00a0°C"), written(values, "cooler_percent", 0, "\u00a0%")),
  },
  { key: "filter", devices: ["filter_wheel", "filterwheel"], word: (values) => text(values, "filter") || status(values), value: (values) => (text(values, "filter") ? busy(values) : "") },
  { key: "focus", devices: ["focuser"], word: focus, value: (values) => joined(busy(values), written(values, "temperature_c", 1, "\u00a0°C")) },
];

const known = new Map(); // by device what was last said of it
let doing = null; // what the devices last said that they do

document.addEventListener("jobs:opening", () => known.clear());
document.addEventListener("jobs:devices", ({ detail }) => {
  let isOutdated = !document.querySelector("#strip .tile");
  for (const [device, values] of Object.entries(detail.devices)) {
    isOutdated ||= values === null;
    if (values === null) known.delete(device);
    else known.set(device, values);
  }
  isOutdated = !draw(tiles([...known])) || isOutdated;
  const before = doing;
  doing = [...known].map(([device, values]) => `${device} ${busy(values) && joined(status(values), frames(values))}`).sort().join();
  isOutdated ||= before !== null && before !== doing && document.getElementById("doing") !== null;
  if (isOutdated) document.dispatchEvent(new CustomEvent("jobs:outdated", { detail: { whole: true } }));
});

// The tiles of devices, each by its name on the wire with what was said of it.
export function tiles(devices, ms = now()) {
  const all = devices.map(([device, values]) => ({ device, values, kind: device.split("/")[0].toLowerCase() }));
  return KINDS.map((kind) => tile(kind, all.filter((each) => kind.devices.includes(each.kind)), ms)).filter(Boolean);
}

function tile(kind, devices, ms) {
  if (!devices.length) return null;
  const isGrey = (each) => ms - each.values.at_ms > GREY_MS;
  const rank = (each) => [!isAlarming(each.values), isGrey(each), !kind.word(each.values)].map(Number).join("") + each.device;
  const { device, values } = devices.toSorted((one, other) => (rank(one) < rank(other) ? -1 : 1))[0];
  let [word, value] = [kind.word(values), kind.value(values)];
  if (kind.isOne && !value) value = devices.filter((each) => !isGrey(each)).map((each) => kind.value(each.values)).find(Boolean) ?? "";
  if (values.connected === false) word = said("not connected");
  const alarming = isAlarming(values);
  if (alarming) value = text(values, "unsafe_reason") || text(values, "message") || value;
  if (!word) [word, value] = [value || said("no word"), ""];
  return { key: kind.key, word, value, device, atMs: values.at_ms, more: devices.length - 1, alarming };
}

// Whether every tile had its place.
function draw(made) {
  const places = new Map([...document.querySelectorAll("#strip .tile")].map((place) => [place.dataset.key, place]));
  for (const { key, word, value, device, atMs, more, alarming } of made) {
    const place = places.get(key);
    if (!place) return false;
    const old = place.querySelector(".old");
    const greyAfterMs = Number(place.dataset.greyFrom) - Number(old.dataset.age);
    place.title = more ? said("{name}, and {count} more", { name: device, count: more }) : device;
    place.dataset.greyFrom = atMs + greyAfterMs;
    place.classList.toggle("alarming", alarming);
    place.classList.toggle("grey", now() > atMs + greyAfterMs);
    old.dataset.age = atMs;
    put(old, age(now() - atMs));
    put(place.querySelector(".word bdi"), word);
    put(place.querySelector(".value bdi"), value);
  }
  return made.length === places.size;
}

function isAlarming(values) {
  const reason = values.unsafe_reason;
  const isReason = Array.isArray(reason) ? reason.length > 0 : reason !== null && typeof reason === "object" ? Object.keys(reason).length > 0 : Boolean(reason);
  return (typeof values.status === "string" && values.status.trim().toLowerCase() === "error") || values.safe === false || isReason;
}

function status(values) {
  return text(values, "status");
}

function busy(values) {
  return AT_REST.has(status(values).toLowerCase()) ? "" : status(values);
}

function focus(values) {
  const position = number(values, "position_um");
  return position === null ? "" : `${fixed(position, 0).replace(/\B(?=(\d{3})+$)/g, "\u202f")}\u00a0µm`;
}

function pointing(values) {
  const [ra, dec] = [number(values, "ra_hours"), number(values, "dec_degrees")];
  if (ra === null || dec === null) return joined(written(values, "alt_degrees", 0, "°", "alt\u00a0"), written(values, "az_degrees", 0, "°", "az\u00a0"));
  const minutes = ((Math.floor(ra * 60 + 0.5) % 1440) + 1440) % 1440;
  const arc = Math.floor(Math.abs(dec) * 60 + 0.5);
  return `${two(Math.floor(minutes / 60))}h${two(minutes % 60)} ${dec < 0 ? "-" : "+"}${two(Math.floor(arc / 60))}°${two(arc % 60)}′`;
}

function frames(values) {
  const [frame, all] = [number(values, "frame"), number(values, "frames")];
  return frame && all ? said("{number} of {count}", { number: frame.toFixed(0), count: all.toFixed(0) }) : "";
}

function number(values, key) {
  const value = values[key];
  return typeof value === "number" && Math.abs(value) < LARGEST ? value : null;
}

function text(values, key) {
  const value = values[key];
  return typeof value === "string" ? [...value.trim()].slice(0, LONGEST).join("") : "";
}

function written(values, key, decimals, unit, before = "") {
  const value = number(values, key);
  return value === null ? "" : before + decimal(fixed(value, decimals)) + unit;
}

// What is rounded to nothing has no sign.
function fixed(value, decimals) {
  return value.toFixed(decimals).replace(/^-(?=[0.]*$)/, "");
}

function joined(...parts) {
  return parts.filter(Boolean).join(", ");
}

function two(count) {
  return String(count).padStart(2, "0");
}

function put(item, shown) {
  if (item.textContent !== shown) item.textContent = shown;
}
