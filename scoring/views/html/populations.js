// Populations: what became of hyperparameters over the generations, and who descends from whom.

const NUM_SHADES = 5;
const LINEAGES = ["extinct", "alive", "won"];

function drawPopulations() {
  for (const box of $$("#populations .canvas")) {
    if (!box.closest("details").open) continue; // drawn when it opens
    const population = DATA.populations[Number(box.dataset.population)];
    const { value } = box.dataset;
    const draw = value === undefined ? familyTree : (...of) => course(...of, population.values[Number(value)]);
    box.replaceChildren(draw(box, population).root);
  }
}

/* A hyperparameter: the range and the middle half of all members, and what the winner had. */
function course(box, population, { name, log, steps, bands, winner }) {
  const width = Math.max(box.clientWidth, 220);
  const values = bands.flat();
  const ends = valueDomain(smallest(values), largest(values), log);
  const won = winner.length ? ` the winner's goes from ${amount(winner[0])} to ${amount(winner.at(-1))}` : " nobody won";
  const chart = frame({
    width,
    height: 208,
    margin: { left: 50, right: 18, top: 12, bottom: 38 },
    title: `${population.name}: ${name} by steps`,
    description: `All members lie within ${amount(smallest(values))} and ${amount(largest(values))};${won}.`,
    x: { domain: [0, Math.max(population.end, 1)], count: Math.floor(width / 60), label: "steps" },
    y: { domain: ends, log, count: 4 },
  });
  const corners = (row) => stepCorners(steps, row, population.end).map(([x, y]) => [chart.px(x), chart.py(y)]);
  for (const [low, high] of [[0, 3], [1, 2]]) {
    const outline = [...corners(bands[low]), ...corners(bands[high]).reverse()];
    chart.plot.append(svg("path", { d: `${pathOf(outline)}Z`, class: "members" }));
  }
  if (winner.length) chart.plot.append(svg("path", { d: pathOf(corners(winner)), class: "winner" }));
  return chart;
}

function valueDomain(low, high, log) {
  if (low === high) return [low - Math.max(Math.abs(low) * 0.5, 0.5), high + Math.max(Math.abs(high) * 0.5, 0.5)];
  if (log) return [low / (high / low) ** 0.05, high * (high / low) ** 0.05];
  const room = (high - low) * 0.06;
  return [low >= 0 ? Math.max(low - room, 0) : low - room, high + room];
}

/* Each value holds until the next step, the last one to the end. */
const stepCorners = (steps, row, end) =>
  steps.flatMap((step, i) => [[step, row[i]], [steps[i + 1] ?? end, row[i]]]);

/* Members across generations: lines from parent to child, dots shaded by rank. */
function familyTree(box, population) {
  const { steps, tree } = population;
  const width = Math.max(box.clientWidth, 280);
  const size = tree.parents[0].length;
  const pitch = Math.min(Math.max(560 / size, 3), 17);
  const chart = frame({
    width,
    height: size * pitch + 64,
    margin: { left: 50, right: 20, top: 22, bottom: 42 },
    title: `${population.name}: family tree of ${size} members over ${steps.length - 1} generations`,
    description: tree.line ? `Members on the winner's line: ${tree.line.join(", ")}.` : "Nobody won.",
    x: { domain: [steps[0], steps.at(-1)], count: Math.floor(width / 90), label: "steps" },
    y: { domain: [size - 0.5, -0.5], ticks: [], label: "member" },
  });
  for (const m of memberTicks(size, pitch)) // no grid: its lines would look like descent
    chart.over.append(svg("text", { class: "tick", x: 40, y: chart.py(m) + 3.5, "text-anchor": "end" }, String(m)));
  const gap = (chart.px.range[1] - chart.px.range[0]) / (steps.length - 1);
  const radius = Math.max(Math.min(4.5, pitch * 0.32, gap * 0.24), 0.8);
  const place = (g, m) => [chart.px(steps[g]), chart.py(m)];
  const dots = tree.fitness.flatMap((fitness, g) =>
    shadesOf(fitness).map((shade, m) => memberDot(place(g, m), radius, shade, { g, m, step: steps[g], tree })));
  const [extinct, alive, won] = familyLines(tree, place);
  // The winner's line lies above the others' dots and below its own.
  chart.over.append(extinct, alive, ...dots, won, ...(tree.line ?? []).map((m, g) => dots[g * size + m]));
  return chart;
}

function memberTicks(size, pitch) {
  const every = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].find((n) => n * pitch >= 15) ?? 1000;
  return Array.from({ length: Math.ceil(size / every) }, (_, i) => i * every);
}

/* One path per fate: lines that died out, lines that reach the end, and the winner's on top. */
function familyLines({ parents, line }, place) {
  const last = parents.length - 1;
  const paths = LINEAGES.map(() => []);
  let alive = new Set(parents[last].keys());
  for (let g = last; g > 0; g--) {
    parents[g - 1].forEach((parent, m) => {
      const won = line && line[g] === m;
      paths[won ? 2 : alive.has(m) ? 1 : 0].push(pathOf([place(g - 1, parent), place(g, m)]));
    });
    alive = new Set([...alive].map((m) => parents[g - 1][m]));
  }
  return paths.map((parts, i) => svg("path", { d: parts.join(""), class: `descent ${LINEAGES[i]}` }));
}

/* From 0, the best of a generation, to NUM_SHADES - 1; null where nothing was measured. */
function shadesOf(fitness) {
  const sorted = fitness.filter((value) => value !== null).sort((a, b) => a - b);
  const most = Math.max(sorted.length - 1, 1);
  return fitness.map((value) =>
    value === null ? null : Math.round((sorted.indexOf(value) / most) * (NUM_SHADES - 1)));
}

function memberDot([x, y], radius, shade, { g, m, step, tree }) {
  const value = tree.fitness[g][m];
  const says = value === null ? (g ? "diverged" : "start") : `fitness ${amount(value)}`;
  const title = svg("title", {}, `member ${m} at step ${amount(step)}: ${says}`);
  if (value === null && g) {
    const r = radius * 0.85;
    return svg("path", { d: `M${x - r} ${y - r}L${x + r} ${y + r}M${x - r} ${y + r}L${x + r} ${y - r}`, class: "gone" }, title);
  }
  return svg("circle", { cx: x, cy: y, r: radius, class: `member ${shade === null ? "" : `f${shade}`}` }, title);
}

/* What the dots' shades mean. */
function legendRanks() {
  const dot = (className) => svg("circle", { cx: 6, cy: 6, r: 4.5, class: className });
  const sample = (...marks) => marks.map((mark) => svg("svg", { width: 12, height: 12, "aria-hidden": "true" }, mark));
  const shades = Array.from({ length: NUM_SHADES }, (_, i) => dot(`member f${i}`));
  const cross = svg("path", { d: "M2 2L10 10M2 10L10 2", class: "gone" });
  for (const box of $$("[data-ranks]"))
    box.replaceChildren(
      "best ", ...sample(...shades.map((mark) => mark.cloneNode())), " worst of its generation; ",
      ...sample(cross.cloneNode()), " diverged; bold: the winner's line",
    );
}
