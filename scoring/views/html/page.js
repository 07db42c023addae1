// What the reader can press, and drawing everything anew after it.

function render() {
  const rows = standings(visible());
  fillLeaderboard(rows);
  drawProfile(rows);
  fillTimes();
  hideSubmissions();
  drawCurves();
  drawFolded();
  drawSpeedups();
  drawLedger();
}

/* What is drawn when it opens. */
function drawFolded() {
  drawPopulations();
  drawDiagnostics();
  drawImportance();
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
  document.addEventListener("toggle", drawFolded, true);
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
