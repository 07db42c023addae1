// Where the time went: one stacked bar per submission or per workload.

const SHADES = {
  update_params: "a0", data_selection: "a1", prepare_for_eval: "a2", init: "a3", compile: "a4",
  eval: "a5", checkpoint: "a6", log: "a7", setup: "a8",
};

function drawLedger() {
  const box = $("#ledger .canvas");
  if (!box) return;
  const rows = ledgerRows();
  if (!rows.length) return box.replaceChildren(html("p", { class: "muted" }, "nothing to show"));
  const width = Math.max(box.clientWidth, 280);
  const narrow = width < 560;
  const left = narrow ? 4 : Math.min(230, 20 + 6.6 * largest(rows.map((row) => row.name.length)));
  const pitch = narrow ? 44 : 30;
  const height = rows.length * pitch + 42;
  const unit = timeUnit(largest(rows.map((row) => row.wall)));
  const chart = frame({
    width,
    height,
    margin: { left, right: 64, top: 6, bottom: 38 },
    title: `Wall time of all trials by ${state.ledgerBy}, by account`,
    x: { domain: [0, largest(rows.map((row) => row.wall)) / unit.divisor || 1], count: narrow ? 3 : 6, label: unit.name },
    y: { domain: [0, 1], format: () => "" },
  });
  rows.forEach((row, i) => drawBar(chart, row, { y: 6 + i * pitch + (narrow ? 18 : 4), left, narrow, unit }));
  box.replaceChildren(chart.root);
}

/* One row per submission (or workload): name, seconds by account, wall seconds, share on the clock. */
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

function drawBar(chart, row, { y, left, narrow, unit }) {
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
  const name = narrow ? { x: left, y: y - 5 } : { x: left - 10, y: y + 14, "text-anchor": "end" };
  chart.over.append(svg("text", { class: "label strong", ...name }, row.name.length > 34 ? `${row.name.slice(0, 33)}…` : row.name));
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
