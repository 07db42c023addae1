// Learning curves and learning-rate traces: one small chart per workload.

const GRID_POINTS = 160;

function drawCurves() {
  const anytime = state.spread === "anytime";
  const curves = anytime ? DATA.anytime[state.axis] : DATA.curves;
  drawMultiples("#curves", curves, { target: true, spread: state.spread !== "each", anytime });
  drawMultiples("#learning-rate", DATA.learningRates, { target: false, spread: false });
}

function drawMultiples(selector, byWorkload, options) {
  for (const box of $$(`${selector} .canvas`)) {
    const w = Number(box.dataset.workload);
    const shown = byWorkload[w].filter((curve) => !state.hidden.has(curve.submission));
    const chart = shown.length ? multiple(box, w, shown, options) : null;
    box.replaceChildren(chart ?? html("p", { class: "muted" }, "nothing to show"));
  }
}

function multiple(box, w, shown, { target, spread, anytime }) {
  const width = Math.max(box.clientWidth, 220);
  const { metric, value, lower } = DATA.targets[w];
  const logX = state.logX;
  const logY = state.logY && (!target || lower);
  const xs = xDomain(shown.map((curve) => curve.x ?? curve[state.axis]), logX);
  if (!xs) return null;
  const groups = [...Map.groupBy(shown, (curve) => curve.submission)].sort((a, b) => b[0] - a[0]);
  const curves = groups.map(([s, members]) => [s, members, anytime ? stepsOf(members[0]) : summary(members, xs, logX)]);
  const goal = target ? value : null;
  const ys = yDomain(curves, goal, lower, logY);
  if (!ys) return null;
  const unit = state.axis === "seconds" ? timeUnit(xs[1]) : { divisor: 1, name: "steps" };
  const what = target ? `${metric} on the validation set` : "learning rate";
  const chart = frame({
    width,
    height: 208,
    margin: { left: 46, right: 12, top: 12, bottom: 38 },
    title: `${DATA.workloads[w]}: ${what} by ${unit.name}`,
    x: { domain: xs.map((x) => x / unit.divisor), log: logX, count: Math.floor(width / 60), label: unit.name },
    y: { domain: ys, log: logY, count: 4 },
  });
  const px = (x) => chart.px(x / unit.divisor);
  const flat = (points) => points.map(([x, y]) => [px(x), chart.py(y)]);
  if (spread) for (const [s, , found] of curves) drawBand(chart, s, found, px);
  if (goal !== null) drawTarget(chart, goal);
  for (const [s, members, found] of curves) {
    const lines = spread ? [found.middle] : members.map(pointsOf);
    for (const line of lines) {
      const path = svg("path", { d: pathOf(flat(line)), "data-submission": s, ...lineOf(s) });
      path.append(svg("title", {}, DATA.submissions[s]));
      if (!spread && members.length > 1) path.classList.add("fine");
      chart.plot.append(path);
    }
    if (target) drawCrossing(chart, s, w, value, px);
  }
  return chart.root;
}

const pointsOf = (curve) =>
  curve[state.axis].map((x, i) => [x ?? NaN, curve.values[i] ?? NaN]);

/* Best so far, which holds until the next evaluation: corners of a step curve. */
function stepsOf({ x, middle, worst, best }) {
  const corners = x.flatMap((at, i) => (i ? [[at, i - 1], [at, i]] : [[at, i]]));
  return {
    middle: corners.map(([at, i]) => [at, middle[i] ?? NaN]),
    band: corners.filter(([, i]) => worst[i] !== null && best[i] !== null).map(([at, i]) => [at, worst[i], best[i]]),
  };
}

function xDomain(rows, logX) {
  const all = rows.flat().filter((x) => x !== null);
  const high = largest(all);
  const low = logX ? smallest(all.filter((x) => x > 0)) : 0;
  return Number.isFinite(low) && high > low ? [low, high] : null;
}

/* The range that matters: all of the good side, and of the bad side what most of the run shows. An
   initial loss of 30 would otherwise press the rest of the curve flat. */
function yDomain(curves, goal, lower, logY) {
  const values = curves
    .flatMap(([, members]) => members.flatMap((curve) => curve.values ?? curve.middle))
    .filter((y) => y !== null && (!logY || y > 0))
    .sort((a, b) => a - b);
  if (!values.length) return null;
  const at = (share) => values[Math.round(share * (values.length - 1))];
  const marks = goal === null || (logY && goal <= 0) ? [] : [goal];
  const whole = goal === null || logY;
  let low = smallest([whole || lower ? values[0] : at(0.1), ...marks]);
  let high = largest([whole || !lower ? values.at(-1) : at(0.9), ...marks]);
  if (low === high) [low, high] = logY ? [low / 2, high * 2] : [low - 0.5, high + 0.5];
  if (logY) return [low / (high / low) ** 0.04, high * (high / low) ** 0.04];
  const room = (high - low) * 0.06;
  return [goal === null && low >= 0 ? Math.max(low - room, 0) : low - room, high + room];
}

/* Median and range over studies, drawn while more than half of the studies still run. A single
   study is drawn as it is. */
function summary(members, [low, high], logX) {
  if (members.length === 1) return { middle: pointsOf(members[0]), band: [] };
  const curves = members.map(pointsOf);
  const at = scale([0, GRID_POINTS], logX ? [Math.log(low), Math.log(high)] : [low, high], false);
  const middle = [];
  const band = [];
  for (let i = 0; i <= GRID_POINTS; i++) {
    const x = logX ? Math.exp(at(i)) : at(i);
    const ys = curves.map((points) => interpolate(points, x)).filter(Number.isFinite).sort((a, b) => a - b);
    if (ys.length * 2 <= members.length) continue;
    middle.push([x, median(ys)]);
    band.push([x, ys[0], ys.at(-1)]);
  }
  return { middle, band };
}

/* Value on the straight line between the two points around x; NaN outside and in gaps. */
function interpolate(points, x) {
  let [from, to] = [0, points.length - 1];
  if (to < 0 || !(x >= points[0][0] && x <= points[to][0])) return NaN;
  while (to - from > 1) {
    const between = (from + to) >> 1;
    if (points[between][0] <= x) from = between;
    else to = between;
  }
  const [[x0, y0], [x1, y1]] = [points[from], points[to]];
  return x1 > x0 ? y0 + ((x - x0) / (x1 - x0)) * (y1 - y0) : y1;
}

function drawBand(chart, s, { band }, px) {
  if (!band.length) return;
  const edge = (k) => band.map((row) => [px(row[0]), chart.py(row[k])]);
  const d = `${pathOf([...edge(1), ...edge(2).reverse()])}Z`;
  chart.plot.append(svg("path", { d, class: `band c${s % NUM_COLOURS}` }));
}

function drawTarget(chart, value) {
  const y = chart.py(value);
  if (!Number.isFinite(y)) return;
  const ends = { x1: chart.px.range[0], x2: chart.px.range[1], y1: y, y2: y };
  chart.plot.append(svg("line", { class: "target", ...ends }, svg("title", {}, `target ${value}`)));
}

/* A dot on the target line at the submission's time to target: the median that is scored. */
function drawCrossing(chart, s, w, value, px) {
  const time = DATA.times[s][w];
  const unit = DATA.unit === "steps" ? "steps" : "seconds";
  if (time === null || unit !== state.axis) return;
  const dot = svg("circle", { cx: px(time), cy: chart.py(value), r: 3.4, class: `dot c${s % NUM_COLOURS}` });
  dot.append(svg("title", {}, `${DATA.submissions[s]}: ${amount(time)} ${DATA.unit} to target`));
  chart.over.append(dot);
}
