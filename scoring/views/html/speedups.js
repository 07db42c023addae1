// Speedups over the reference: one line per submission on a logarithmic axis.

function drawSpeedups() {
  const box = $("#speedups .canvas");
  if (!box) return;
  const shown = visible().filter((s) => DATA.speedups.rows[s].mean !== null);
  if (!shown.length) return box.replaceChildren(html("p", { class: "muted" }, "nothing to compare"));
  const every = shown.flatMap((s) => {
    const { mean, low, high, workloads } = DATA.speedups.rows[s];
    return [mean, low ?? mean, high ?? mean, ...Object.values(workloads)].filter((v) => v > 0);
  });
  const reach = Math.max(largest(every), 1 / smallest(every), 1.25) ** 1.06;
  const chart = rowsFrame(box, {
    names: shown.map((s) => DATA.submissions[s]),
    right: 24,
    pitch: 27,
    title: `Speedup of ${shown.length} submissions over ${DATA.submissions[DATA.speedups.reference]}`,
    x: { domain: [1 / reach, reach], log: true, ticks: factors(reach), label: "times as fast as the reference" },
  });
  const one = chart.px(1);
  chart.plot.append(svg("line", { class: "target", x1: one, x2: one, y1: 0, y2: chart.bottom }));
  shown.forEach((s, i) => drawSpeedup(chart, s, chart.middle(i)));
  box.replaceChildren(chart.root);
}

/* Ticks around 1: powers of two, or tenths where all are near. */
function factors(reach) {
  const octaves = [1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16, 32];
  const near = [0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.4, 1.6];
  return (reach > 2.2 ? octaves : near).filter((v) => v >= 1 / reach && v <= reach);
}

function drawSpeedup(chart, s, y) {
  const { mean, low, high, workloads } = DATA.speedups.rows[s];
  const colour = `c${s % NUM_COLOURS}`;
  if (low !== null)
    chart.over.append(svg("line", { class: `whisker ${colour}`, x1: chart.px(low), x2: chart.px(high), y1: y, y2: y }));
  for (const [w, value] of Object.entries(workloads)) {
    const dot = svg("circle", { class: `mark ${colour}`, cx: chart.px(value), cy: y, r: 2.6 });
    dot.append(svg("title", {}, `${DATA.submissions[s]} on ${DATA.workloads[w]}: ${value.toFixed(2)}×`));
    chart.over.append(dot);
  }
  const dot = svg("circle", { class: `dot ${colour}`, cx: chart.px(mean), cy: y, r: 5.5 });
  dot.append(svg("title", {}, `${DATA.submissions[s]}: ${mean.toFixed(2)}×`));
  chart.over.append(dot);
}
