// What the reader has chosen, as buttons show it; the theme; and the lines beside names.

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
