// Diagnostics: small charts of what trials were like inside, a line for each type of parameters.

const LOG_RATIO = 20; // a chart that spans more has a logarithmic axis

function drawDiagnostics() {
  for (const box of $$("#diagnostics .canvas")) {
    if (!box.closest("details").open) continue; // drawn when it opens
    const inside = DATA.diagnostics[Number(box.dataset.trial)];
    box.replaceChildren(insideChart(box, inside, box.dataset.chart));
  }
}

function insideChart(box, { name, types, steps, spikes, bad, charts }, which) {
  const width = Math.max(box.clientWidth, 220);
  const title = $("figcaption", box.parentElement).textContent;
  const isLoss = which === "loss";
  const lines = charts[which];
  const values = lines.flat().filter((value) => value !== null);
  const above = values.filter((value) => value > 0);
  const log = above.length > 0 && smallest(values) >= 0 && largest(above) > LOG_RATIO * smallest(above);
  const shown = log ? above : values;
  const chart = frame({
    width,
    height: 190,
    margin: { left: 50, right: 14, top: 12, bottom: 38 },
    title: `${name}: ${title} by steps`,
    description: `From ${amount(smallest(shown))} to ${amount(largest(shown))}.`,
    x: { domain: [0, Math.max(steps.at(-1), 1)], count: Math.floor(width / 60), label: "steps" },
    y: { domain: valueDomain(smallest(shown), largest(shown), log), log, count: 4, format: brief },
  });
  const place = (line, i) => [chart.px(steps[i]), line[i] === null || (log && !(line[i] > 0)) ? NaN : chart.py(line[i])];
  if (bad !== null) {
    const x = chart.px(steps[bad]);
    const [y1, y2] = chart.py.range;
    chart.plot.append(svg("line", { class: "target", x1: x, x2: x, y1, y2 }, svg("title", {}, `not finite after step ${steps[bad]}`)));
  }
  lines.forEach((line, t) => {
    const points = line.map((_, i) => place(line, i));
    const looks = isLoss ? { class: "line loss" } : lineOf(t);
    chart.plot.append(svg("path", { d: pathOf(points), ...looks }, svg("title", {}, isLoss ? title : types[t])));
    if (isLoss) chart.over.append(...spikes.map((i) => spikeDot(points[i], steps[i])));
  });
  return chart.root;
}

/* A loss that is not finite has no height, and so no dot. */
function spikeDot([cx, cy], step) {
  if (!Number.isFinite(cy)) return "";
  return svg("circle", { cx, cy, r: 3.4, class: "dot c1" }, svg("title", {}, `spike by step ${step}`));
}

/* A tick's number in few letters, for what is about to overflow too. */
const brief = (value) => (Math.abs(value) >= 1e9 ? value.toExponential(0).replace("e+", "e") : short(value));
