// Axes: scales, ticks, a frame with a clipped plot area. Charts are drawn at the width they have on
// the page, and a viewBox lets print shrink them.

function scale([low, high], [from, to], log) {
  const f = log ? Math.log10 : (value) => value;
  const span = f(high) - f(low) || 1;
  const place = (value) => from + ((f(value) - f(low)) / span) * (to - from);
  return Object.assign(place, { range: [from, to] });
}

/* Round numbers within [low, high], about `count` of them. */
function ticks(low, high, count, log) {
  if (log) return logTicks(low, high, count);
  const rough = (high - low) / Math.max(count, 1);
  if (!(rough > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((m) => m * power >= rough * 0.999) ?? 10);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

function logTicks(low, high, count) {
  const [from, to] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const decades = Array.from({ length: to - from + 1 }, (_, i) => from + i);
  const of = (mantissas) =>
    decades.flatMap((d) => mantissas.map((m) => Number((m * 10 ** d).toPrecision(6))))
      .filter((v) => v >= low * 0.999 && v <= high * 1.001);
  const choices = [of([1, 2, 5]), of([1, 3]), of([1])];
  const fit = choices.find((values) => values.length <= count + 2) ?? choices[2];
  if (fit.length < 2) return ticks(low, high, count, false).filter((v) => v > 0);
  const every = Math.ceil(fit.length / (count + 2));
  return fit.filter((_, i) => i % every === 0);
}

let clips = 0;

/* An empty chart. x and y are {domain, log, label, count, format}; returns its scales and layers. */
function frame({ width, height, margin, x, y, title, description }) {
  const [right, bottom] = [width - margin.right, height - margin.bottom];
  const px = scale(x.domain, [margin.left, right], x.log);
  const py = scale(y.domain, [bottom, margin.top], y.log);
  const clip = `clip${clips++}`;
  const plot = svg("g", { "clip-path": `url(#${clip})` });
  const over = svg("g");
  const box = { x: margin.left, y: margin.top - 2, width: Math.max(right - margin.left, 1), height: bottom - margin.top + 4 };
  const root = svg(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": title },
    svg("title", {}, title),
    description ? svg("desc", {}, description) : "",
    svg("clipPath", { id: clip }, svg("rect", box)),
    ...grid(x, y, px, py, { left: margin.left, right, top: margin.top, bottom }),
    plot,
    over,
  );
  return { root, plot, over, px, py, right, bottom };
}

function grid(x, y, px, py, { left, right, top, bottom }) {
  const parts = [];
  for (const value of y.ticks ?? ticks(...y.domain, y.count ?? 4, y.log)) {
    const at = py(value);
    parts.push(svg("line", { class: "grid", x1: left, x2: right, y1: at, y2: at }));
    parts.push(svg("text", { class: "tick", x: left - 6, y: at + 3.5, "text-anchor": "end" }, (y.format ?? short)(value)));
  }
  for (const value of x.ticks ?? ticks(...x.domain, x.count ?? 5, x.log)) {
    const at = px(value);
    parts.push(svg("line", { class: "grid", x1: at, x2: at, y1: bottom, y2: bottom + 4 }));
    parts.push(svg("text", { class: "tick", x: at, y: bottom + 16, "text-anchor": "middle" }, (x.format ?? short)(value)));
  }
  parts.push(svg("line", { class: "axis", x1: left, x2: right, y1: bottom, y2: bottom }));
  if (x.label) parts.push(svg("text", { class: "label", x: right, y: bottom + 31, "text-anchor": "end" }, x.label));
  if (y.label) parts.push(svg("text", { class: "label", x: 2, y: top - 10 }, y.label));
  return parts;
}

/* A chart of one named line per row; on a phone the names stand above the lines. */
function rowsFrame(box, { names, right, pitch, title, x }) {
  const width = Math.max(box.clientWidth, 280);
  const narrow = width < 560;
  const left = narrow ? 6 : Math.min(240, 24 + 7.2 * largest(names.map((name) => name.length)));
  const step = narrow ? pitch + 16 : pitch;
  const chart = frame({
    width,
    height: names.length * step + 46,
    margin: { left, right, top: 6, bottom: 38 },
    title,
    x: { count: narrow ? 3 : 7, ...x },
    y: { domain: [0, 1], ticks: [] },
  });
  const middle = (i) => 6 + i * step + (narrow ? 16 : 0) + pitch / 2;
  names.forEach((name, i) => {
    const place = narrow ? { x: left, y: middle(i) - pitch / 2 - 1 } : { x: left - 12, y: middle(i) + 4, "text-anchor": "end" };
    const text = name.length > 34 ? `${name.slice(0, 33)}…` : name;
    chart.over.append(svg("text", { class: "label strong", ...place }, text));
  });
  return { ...chart, middle };
}

/* Path data through [x, y] points in pixels; NaN breaks the line. */
function pathOf(points) {
  let pen = "M";
  let text = "";
  for (const [x, y] of points) {
    if (!Number.isFinite(x) || !Number.isFinite(y)) {
      pen = "M";
      continue;
    }
    text += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = "L";
  }
  return text;
}

function stepPath(points) {
  return pathOf(points.flatMap(([x, y], i) => (i ? [[x, points[i - 1][1]], [x, y]] : [[x, y]])));
}

/* Heights at least `gap` apart, near the ascending `ends` and no lower than `floor` (as
   scoring/plots.py spreads its labels). */
function spreadLabels(ends, gap, floor) {
  const spots = [];
  for (const end of ends) spots.push(spots.length ? Math.max(end, spots.at(-1) + gap) : end);
  let limit = floor;
  for (let i = spots.length - 1; i >= 0; i--) {
    spots[i] = Math.min(spots[i], limit);
    limit = spots[i] - gap;
  }
  return spots;
}

/* Seconds in the unit that gives short numbers: {divisor, name}. */
function timeUnit(most) {
  if (most > 3 * 3600) return { divisor: 3600, name: "hours" };
  if (most > 10 * 60) return { divisor: 60, name: "minutes" };
  return { divisor: 1, name: "seconds" };
}
