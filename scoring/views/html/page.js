// What the reader can press, and drawing everything anew after it.

function render() {
  const rows = standings(visible());
  fillLeaderboard(rows);
  drawProfile(rows);
  fillTimes();
  hideSubmissions();
  drawCurves();
  drawPopulations();
  drawSpeedups();
  drawLedger();
}

function toggle(s) {
  if (!state.hidden.delete(s)) state.hidden.add(s);
  // A board of nobody says nothing: the last one to go brings all back.
  if (state.hidden.size === DATA.submissions.length) state.hidden.clear();
  showPressed();
  render();
}

function showPressed() {
  for (const chip of $$(".chip"))
    chip.setAttribute("aria-pressed", String(!state.hidden.has(Number(chip.dataset.submission))));
  $("#show-all").hidden = state.hidden.size === 0;
}

/* Buttons with data-set="name:value": a choice of one; data-flip="name": on and off. */
function choose(button) {
  if (button.dataset.flip) state[button.dataset.flip] = !state[button.dataset.flip];
  else {
    const [name, value] = button.dataset.set.split(":");
    state[name] = value;
  }
  showChoices();
  drawCurves();
  drawLedger();
}

function showChoices() {
  for (const button of $$("[data-set]")) {
    const [name, value] = button.dataset.set.split(":");
    button.setAttribute("aria-pressed", String(state[name] === value));
  }
  for (const button of $$("[data-flip]"))
    button.setAttribute("aria-pressed", String(state[button.dataset.flip]));
  for (const line of $$("tr[data-share]")) line.hidden = line.dataset.share !== state.share;
}

function switchTheme(button) {
  const root = document.documentElement;
  const dark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  button.setAttribute("aria-pressed", String(!dark));
}

function paintChips() {
  for (const line of $$("[data-swatch]")) {
    const s = Number(line.dataset.swatch);
    const swatch = svg("svg", { width: 22, height: 8, class: "swatch", "aria-hidden": "true" });
    swatch.append(svg("path", { d: "M0 4H22", "stroke-width": 3, ...lineOf(s) }));
    line.replaceChildren(swatch);
  }
}

function start() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.matches(".chip")) toggle(Number(button.dataset.submission));
    else if (button.id === "show-all") {
      state.hidden.clear();
      showPressed();
      render();
    } else if (button.id === "theme") switchTheme(button);
    else if (button.dataset.table) saveCsv(button);
    else if (button.dataset.set || button.dataset.flip) choose(button);
  });
  document.addEventListener("toggle", drawPopulations, true);
  $("#theme").setAttribute("aria-pressed", String(matchMedia("(prefers-color-scheme: dark)").matches));
  paintChips();
  paintHeat();
  legendLedger();
  legendRanks();
  showPressed();
  showChoices();
  render();
  watchWidth();
}

/* Charts have the width of their box, also on paper. */
function watchWidth() {
  let width = document.documentElement.clientWidth;
  addEventListener("resize", () => {
    if (document.documentElement.clientWidth === width) return;
    width = document.documentElement.clientWidth;
    render();
  });
  for (const [name, on] of [["beforeprint", true], ["afterprint", false]])
    addEventListener(name, () => {
      document.documentElement.classList.toggle("printing", on);
      render();
    });
}

start();
