// Tables: what depends on the field is set anew, and every table can be saved as CSV.

function fillLeaderboard(rows) {
  const body = $("#leaderboard tbody");
  const whole = state.hidden.size === 0;
  const lines = new Map($$("tr", body).map((line) => [Number(line.dataset.submission), line]));
  for (const [s, line] of lines) line.hidden = state.hidden.has(s);
  rows.forEach((row, i) => {
    const line = lines.get(row.submission);
    const cell = (name) => $(`[data-field="${name}"]`, line);
    setNumber(cell("place"), i + 1, String(i + 1));
    setNumber(cell("score"), row.score, Number.isFinite(row.score) ? row.score.toFixed(4) : "–");
    cell("reached").textContent = `${row.reached}/${row.workloads}`;
    for (const name of FIELD_DEPENDENT) if (cell(name)) cell(name).textContent = whole ? cell(name).dataset.whole : "–";
    const interval = whole ? DATA.intervals[row.submission] : [null, null];
    cell("plot").replaceChildren(intervalPlot(row, interval));
    body.append(line);
  });
  for (const [s, line] of lines) if (state.hidden.has(s)) body.append(line);
  $("#field-note").hidden = whole;
}

/* Cells of the leaderboard that only Python can compute; they hold for the whole field. */
const FIELD_DEPENDENT = ["interval", "rank"];

function intervalPlot({ submission, score }, [low, high]) {
  const [width, height] = [150, 18];
  const x = scale([0, 1], [4, width - 4], false);
  const plot = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, class: `c${submission % NUM_COLOURS}`, "aria-hidden": "true" });
  plot.append(svg("line", { class: "axis", x1: x(0), x2: x(1), y1: 9, y2: 9 }));
  if (low !== null) plot.append(svg("line", { class: "whisker", x1: x(low), x2: x(high), y1: 9, y2: 9 }));
  if (Number.isFinite(score)) plot.append(svg("circle", { class: "dot", cx: x(score), cy: 9, r: 4 }));
  return plot;
}

/* Shades of the time table: how many times the fastest of the visible ones. */
function fillTimes() {
  for (const line of $$("#time-to-target tbody tr")) {
    const w = Number(line.dataset.workload);
    const fastest = smallest(visible().map((s) => DATA.times[s][w] ?? Infinity));
    for (const cell of $$("td[data-submission]", line)) {
      const s = Number(cell.dataset.submission);
      const time = DATA.times[s][w] ?? Infinity;
      const times = ratio(time, fastest);
      const note = $(".note", cell);
      cell.classList.toggle("fastest", times === 1);
      cell.classList.toggle("never", !Number.isFinite(time));
      cell.style.setProperty("--heat", heat(times).toFixed(3));
      if (Number.isFinite(time)) note.textContent = times === 1 ? "fastest" : `${times.toFixed(2)}×`;
    }
  }
}

/* Shades that do not depend on who is shown. */
function paintHeat() {
  for (const cell of $$("td[data-heat]")) {
    if (cell.dataset.heat === "") cell.classList.add("never");
    else cell.style.setProperty("--heat", cell.dataset.heat);
  }
}

/* 1 for the fastest, 0 from tauMax on. */
function heat(times) {
  return Number.isFinite(times) ? Math.max(0, 1 - Math.log(times) / Math.log(DATA.tauMax)) : 0;
}

/* Rows and columns that belong to a submission come and go with it. */
function hideSubmissions() {
  for (const element of $$("[data-hides]")) element.hidden = state.hidden.has(Number(element.dataset.hides));
}

/* A spreadsheet runs what starts like a formula, so such text is quoted with an apostrophe. */
function csvCell(text) {
  const formula = /^\s*[=+\-@\uFF0B\uFF0D\uFF1D\uFF20]/.test(text) && !Number.isFinite(Number(text));
  const safe = formula || /^[\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/* The table as the reader sees it, less what is hidden; numbers with all their digits. */
function csvOf(table) {
  const shown = (element) => !element.hidden;
  const text = (cell) => cell.dataset.value ?? cell.textContent.trim().replace(/\s+/g, " ");
  return $$("tr", table)
    .filter(shown)
    .map((line) => [...line.cells].filter((c) => shown(c) && !c.dataset.skip).map((c) => csvCell(text(c))).join(","))
    .join("\r\n");
}

function saveCsv(button) {
  const section = button.closest("section");
  const table = document.getElementById(button.dataset.table);
  const url = URL.createObjectURL(new Blob([`${csvOf(table)}\r\n`], { type: "text/csv;charset=utf-8" }));
  const link = html("a", { href: url, download: `${section.id}.csv` });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
