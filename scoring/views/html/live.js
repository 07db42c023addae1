// The live page: what the stream brings is shown, and nothing is sent back.

const MOST_ROWS = 30;
const MOST_FAILURES = 20;
const words = (status) => status.replaceAll("_", " ");
const cellOf = (text, numeric) => html("td", numeric ? { class: "num" } : {}, text);

function drawProgress() {
  const every = shownTrials();
  const running = unfinished();
  const ended = every.length - running.length;
  const whole = state.hidden.size ? null : experiment.numTrials;
  $("#ended").textContent = every.length
    ? `${whole ? `${ended} of ${whole}` : ended} trials ended, ${running.length} not finished.`
    : "No trial yet.";
  $("#whole").hidden = !whole;
  $("#whole span").style.setProperty("--done", whole ? Math.min(ended / whole, 1) : 0);
  $("#running tbody").replaceChildren(...running.slice(0, MOST_ROWS).map(runningRow));
  $("#running").hidden = !running.length;
  $("#more-running").hidden = running.length <= MOST_ROWS;
  $("#more-running").textContent = `and ${running.length - MOST_ROWS} more`;
}

function runningRow(trial) {
  const bar = html("div", { class: "bar" }, html("span", {}));
  bar.firstChild.style.setProperty("--done", trial.progress);
  const sign = trial.lower ? "≤" : "≥";
  const target = trial.target === null ? "none" : `${trial.metric} ${sign} ${amount(trial.target)}`;
  return html(
    "tr", {}, html("th", { scope: "row" }, trial.submission), cellOf(trial.workload),
    cellOf(String(trial.study), true), cellOf(String(trial.trial), true),
    html("td", {}, bar, `${Math.floor(100 * trial.progress)}%`),
    cellOf(trial.step.toLocaleString("en"), true),
    cellOf(trial.best === null ? "–" : amount(trial.best), true), cellOf(target),
    html("td", { class: "num", "data-changed": trial.changed }, ""),
  );
}

/* Times since the last row go on while nothing comes. By the server's clock, as far as it is told. */
function drawAges() {
  const now = samples.length ? samples.at(-1).time + (Date.now() - lastSample) / 1000 : 0;
  for (const cell of $$("[data-changed]")) {
    const changed = Number(cell.dataset.changed);
    cell.textContent = changed && now ? ago(Math.max(now - changed, 0)) : "–";
  }
}

function ago(seconds) {
  const { divisor, name } = timeUnit(seconds);
  return `${Math.round(seconds / divisor)} ${name[0]} ago`;
}

function drawMatrix() {
  const names = visible().map((s) => DATA.submissions[s]);
  const heads = ["workload", ...names].map((name) => html("th", { scope: "col" }, name));
  $("#matrix thead").replaceChildren(html("tr", {}, ...heads));
  const lines = DATA.workloads.map((workload) => {
    const cells = names.map((name) => {
      const found = outcomes(name, workload).map(([status, num]) => html("span", { class: "note" }, `${num} ${words(status)}`));
      return html("td", {}, ...(found.length ? found : ["–"]));
    });
    return html("tr", {}, html("th", { scope: "row" }, workload), ...cells);
  });
  $("#matrix tbody").replaceChildren(...lines);
  const failed = shownTrials().filter((trial) => trial.error);
  const shown = failed.slice(0, MOST_FAILURES).map((trial) =>
    html("p", { class: "muted-left" }, html("b", {}, words(trial.status)), ` ${trial.path}: ${trial.error}`));
  if (failed.length > shown.length) shown.push(html("p", { class: "muted-left" }, `and ${failed.length - shown.length} more`));
  $("#failures").replaceChildren(...shown);
}

/* A figure for each workload, made once; the curves are drawn into it. */
function placeFigures() {
  const box = $("#curves .multiples");
  DATA.workloads.slice(box.children.length).forEach((name) => {
    const caption = html("figcaption", {}, html("strong", {}, name), " ", html("span", {}));
    box.append(html("figure", {}, caption, html("div", { class: "canvas", "data-workload": box.children.length })));
  });
  [...box.children].forEach((figure, w) => {
    const { metric, value, lower } = DATA.targets[w];
    $("figcaption span", figure).textContent = value === null ? metric : `${metric} ${lower ? "≤" : "≥"} ${amount(value)}`;
  });
}

function drawLegend() {
  const box = $(".legend");
  if (box.children.length !== DATA.submissions.length) {
    box.replaceChildren(...DATA.submissions.map((name, s) =>
      html("button", { type: "button", class: "chip", "data-submission": s }, html("span", { "data-swatch": s }), name)));
    paintChips();
  }
  for (const chip of $$(".chip")) chip.setAttribute("aria-pressed", String(!state.hidden.has(Number(chip.dataset.submission))));
}

/* Per cent over the last minutes: processors, memory, and each GPU. */
function machineLines() {
  const numGpus = samples.length ? samples.at(-1).gpus.length : 0;
  const gpus = Array.from({ length: numGpus }, (_, i) => [`GPU ${i}`, (sample) => sample.gpus[i]?.use ?? NaN]);
  return [["processors", (sample) => sample.cpu], ["memory", (sample) => sample.memory], ...gpus];
}

function drawMachine() {
  if (!samples.length) return;
  const last = samples.at(-1);
  const disk = last.disk_free_gib === null ? "" : `, ${amount(last.disk_free_gib)} GiB of disk free`;
  $("#machine-facts").textContent =
    `${last.num_cores} cores, load ${last.load.toFixed(1)}, memory ${amount(last.memory_gib)} GiB${disk}. Per cent in use:`;
  const lines = machineLines();
  $("#machine-lines").replaceChildren(...lines.map(([name, value], i) => {
    const swatch = svg("svg", { width: 22, height: 8, "aria-hidden": "true" });
    swatch.append(svg("path", { d: "M0 4H22", "stroke-width": 3, ...lineOf(i) }));
    return html("li", {}, swatch, `${name} ${amount(value(last))}%`);
  }));
  const box = $("#machine .canvas");
  const from = Math.min(samples[0].time - last.time, -60);
  const chart = frame({
    width: Math.max(box.clientWidth, 280), height: 190,
    margin: { left: 46, right: 12, top: 12, bottom: 38 },
    title: "Use of processors and memory in per cent over the last minutes",
    x: { domain: [from / 60, 0], label: "minutes ago", format: (minutes) => short(-minutes) },
    y: { domain: [0, 100], count: 4 },
  });
  lines.forEach(([, value], i) => {
    const points = samples.map((sample) => [chart.px((sample.time - last.time) / 60), chart.py(value(sample))]);
    chart.plot.append(svg("path", { d: pathOf(points), "stroke-width": 1.6, ...lineOf(i) }));
  });
  box.replaceChildren(chart.root);
}

function drawAll() {
  drawLegend();
  placeFigures();
  drawProgress();
  drawAges();
  drawMatrix();
  drawCurves();
  drawLedger();
  drawMachine();
}

let lastSample = Date.now();

function listen() {
  const status = $("#connection");
  const say = (text, lost) => {
    status.textContent = text;
    status.classList.toggle("lost", lost);
  };
  // The token stays in the address: relative to the page's own.
  const source = new EventSource(`events${location.search}`);
  // A new connection tells everything anew.
  source.addEventListener("open", () => {
    trials.clear();
    samples.length = 0;
    say("live", false);
  });
  source.addEventListener("error", () => say("not connected: has the command ended?", true));
  source.addEventListener("experiment", (event) => Object.assign(experiment, JSON.parse(event.data)));
  source.addEventListener("trials", (event) => {
    takeTrials(JSON.parse(event.data));
    drawAll();
  });
  source.addEventListener("machine", (event) => {
    takeSamples(JSON.parse(event.data));
    lastSample = Date.now();
    drawMachine();
    drawAges();
  });
}

function press(button) {
  if (button.id === "theme") switchTheme(button);
  else if (button.matches(".chip")) {
    const s = Number(button.dataset.submission);
    if (!state.hidden.delete(s)) state.hidden.add(s);
    if (state.hidden.size === DATA.submissions.length) state.hidden.clear();
  } else if (button.dataset.flip) state[button.dataset.flip] = !state[button.dataset.flip];
  else if (button.dataset.set) {
    const [name, value] = button.dataset.set.split(":");
    state[name] = value;
  }
  showChoices();
  drawAll();
}

state.spread = "each";
legendLedger();
showChoices();
document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) press(button);
});
addEventListener("resize", drawAll);
$("#theme").setAttribute("aria-pressed", String(matchMedia("(prefers-color-scheme: dark)").matches));
listen();
