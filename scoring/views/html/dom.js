// Elements, text and what the reader has chosen. Text goes in as text nodes only: submission names
// come from strangers.
const DATA = JSON.parse(document.getElementById("data").textContent);
const NUM_COLOURS = 7;
const DASHES = ["none", "6 2.5", "2 2.5"];
const state = {
  hidden: new Set(),
  axis: DATA.by === "steps" ? "steps" : "seconds",
  logX: false,
  logY: false,
  spread: "band",
  ledgerBy: "submission",
  share: "50%",
};

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const html = (tag, attributes, ...children) =>
  fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {}))
    if (value !== null && value !== undefined) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const visible = () => DATA.submissions.map((_, s) => s).filter((s) => !state.hidden.has(s));

/* Stroke attributes of a submission's lines; colour comes from its class. */
const lineOf = (s) => ({
  class: `line c${s % NUM_COLOURS}`,
  "stroke-dasharray": DASHES[Math.floor(s / NUM_COLOURS) % DASHES.length],
});

/* Four digits or so, as the tables have it. */
function amount(value) {
  if (!Number.isFinite(value)) return "never";
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(4)));
}

/* A tick's number: 20000 as 20k. */
function short(value) {
  const size = Math.abs(value);
  if (size >= 1e9) return `${trim(value / 1e9)}G`;
  if (size >= 1e6) return `${trim(value / 1e6)}M`;
  if (size >= 1e4) return `${trim(value / 1e3)}k`;
  if (size > 0 && size < 1e-3) return value.toExponential().replace("e-", "e−");
  return trim(value);
}

const trim = (value) => String(Number(value.toPrecision(6))).replace("-", "−");

function median(sorted) {
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

const reduce = (values, start, choose) => values.reduce((a, b) => choose(a, b), start);
const largest = (values) => reduce(values, -Infinity, Math.max);
const smallest = (values) => reduce(values, Infinity, Math.min);
