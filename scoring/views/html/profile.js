// The performance profile of the visible submissions, with its numbers as a table below.

function drawProfile(rows) {
  const box = $("#profile .canvas");
  const width = Math.max(box.clientWidth, 280);
  const labels = width >= 620;
  const longest = largest(rows.map((row) => DATA.submissions[row.submission].length));
  const room = labels ? Math.min(92 + 6.6 * longest, width * 0.36, 320) : 14;
  const margin = { left: 42, right: room, top: 26, bottom: 40 };
  const height = Math.max(labels ? 380 : 280, labels ? rows.length * 18 + 80 : 0);
  const chart = frame({
    width,
    height,
    margin,
    title: `Performance profile of ${rows.length} submissions`,
    description: "Share of workloads solved within a factor tau of the fastest; numbers in the table below.",
    x: { domain: [1, DATA.tauMax], count: 6, label: "τ: times the fastest submission" },
    y: { domain: [0, 1], count: 5, label: "share of workloads solved within τ" },
  });
  const curves = rows.map((row) => ({ row, points: corners(row.ratios) }));
  curves.forEach(({ row, points }, i) => {
    // Curves often coincide. The later one is drawn thinner, so that those below it show.
    const stroke = 3.6 - (2.1 * i) / Math.max(curves.length - 1, 1);
    const d = stepPath(points.map(([tau, share]) => [chart.px(tau), chart.py(share)]));
    const line = svg("path", { d, "stroke-width": stroke, "data-submission": row.submission, ...lineOf(row.submission) });
    line.append(svg("title", {}, `${DATA.submissions[row.submission]}: score ${row.score.toFixed(4)}`));
    chart.plot.append(line);
  });
  if (labels) labelProfile(chart, curves, margin, width);
  box.replaceChildren(chart.root);
  fillProfileTable(rows);
}

function labelProfile(chart, curves, margin, width) {
  const order = [...curves].sort(
    (a, b) => b.points.at(-1)[1] - a.points.at(-1)[1] || b.row.score - a.row.score,
  );
  const ends = order.map(({ points }) => chart.py(points.at(-1)[1]));
  const spots = spreadLabels(ends, 17, chart.bottom);
  const most = Math.floor((margin.right - 86) / 6.4);
  order.forEach(({ row }, i) => {
    const lead = [[chart.right, ends[i]], [chart.right + 14, spots[i]], [chart.right + 22, spots[i]]];
    chart.over.append(svg("path", { d: pathOf(lead), "stroke-width": 1.2, ...lineOf(row.submission) }));
    const name = DATA.submissions[row.submission];
    const text = name.length > most ? `${name.slice(0, most - 1)}…` : name;
    chart.over.append(
      svg("text", { class: "label strong", x: chart.right + 27, y: spots[i] + 4 },
        svg("tspan", { class: "number" }, row.score.toFixed(3)),
        svg("tspan", { dx: 7 }, text)),
    );
  });
  chart.over.append(svg("text", { class: "label", x: chart.right + 27, y: 14 }, "score"));
}

function fillProfileTable(rows) {
  const table = $("#profile table");
  const taus = $$("thead th[data-tau]", table).map((cell) => Number(cell.dataset.tau));
  const bySubmission = new Map(rows.map((row) => [row.submission, row]));
  for (const line of $$("tbody tr", table)) {
    const row = bySubmission.get(Number(line.dataset.submission));
    line.hidden = !row;
    if (!row) continue;
    $$("td", line).forEach((cell, i) => {
      const share = row.workloads ? rho(row.ratios, taus[i]) : NaN;
      setNumber(cell, share, Number.isFinite(share) ? share.toFixed(3) : "–");
    });
  }
}

/* Text for people, all digits for the CSV. */
function setNumber(cell, value, text) {
  cell.textContent = text;
  cell.dataset.value = Number.isFinite(value) ? String(value) : "";
}
