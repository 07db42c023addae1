// Where the time went: one stacked bar per submission or per workload.

const SHADES = {
  update_params: "a0", data_selection: "a1", prepare_for_eval: "a2", init: "a3", fitness: "fitness", compile: "a4",
  eval: "a5", diagnostics: "a10", checkpoint: "a6", log: "a7", setup: "a8", lost: "a9",
};

function drawLedger() {
  const box = $("#ledger .canvas");
  if (!box) return;
  const rows = ledgerRows();
  if (!rows.length) return box.replaceChildren(html("p", { class: "muted" }, "nothing to show"));
  const most = largest(rows.map((row) => row.wall));
  const unit = timeUnit(most);
  const chart = rowsFrame(box, {
    names: rows.map((row) => row.name),
    right: 60,
    pitch: 29,
    title: `Wall time of all trials by ${state.ledgerBy}, by account`,
    x: { domain: [0, most / unit.divisor], label: unit.name },
  });
  rows.forEach((row, i) => drawBar(chart, row, chart.middle(i) - 10, unit));
  box.replaceChildren(chart.root);
}

/* One row per submission (or workload): name, seconds by account, wall seconds. */
function ledgerRows() {
  const { rows } = DATA.ledger;
  const names = state.ledgerBy === "submission" ? DATA.submissions : DATA.workloads;
  return names
    .map((name, i) => {
      const own = rows.filter((row) => row[state.ledgerBy] === i && !state.hidden.has(row.submission));
      const seconds = DATA.ledger.accounts.map((_, a) => own.reduce((sum, row) => sum + row.seconds[a], 0));
      return { name, seconds, wall: own.reduce((sum, row) => sum + row.wall, 0) };
    })
    .filter((row) => row.wall > 0);
}

function drawBar(chart, row, y, unit) {
  let from = 0;
  DATA.ledger.accounts.forEach((account, a) => {
    if (!(row.seconds[a] > 0)) return;
    const [x0, x1] = [chart.px(from / unit.divisor), chart.px((from + row.seconds[a]) / unit.divisor)];
    const share = (100 * row.seconds[a]) / row.wall;
    const bar = svg("rect", { x: x0, y, width: Math.max(x1 - x0, 0.4), height: 20, class: SHADES[account] ?? "a9" });
    bar.append(svg("title", {}, `${row.name}, ${account}: ${amount(row.seconds[a])} s (${share.toFixed(1)} %)`));
    chart.over.append(bar);
    from += row.seconds[a];
  });
  const end = chart.px(Math.max(from, row.wall) / unit.divisor) + 6;
  chart.over.append(svg("text", { class: "tick", x: end, y: y + 14 }, amount(Number((row.wall / unit.divisor).toPrecision(3)))));
}

function legendLedger() {
  const list = $("#ledger .accounts");
  if (!list) return;
  list.replaceChildren(
    ...DATA.ledger.accounts.map((account) => {
      const swatch = svg("svg", { width: 12, height: 12, "aria-hidden": "true" });
      swatch.append(svg("rect", { width: 12, height: 12, rx: 2, class: SHADES[account] ?? "a9" }));
      return html("li", {}, swatch, account.replaceAll("_", " "));
    }),
  );
}
