// Hyperparameters: one dot for each point of the search, by its value and by how good it was.

function drawImportance() {
  for (const box of $$("#importance .canvas")) {
    if (!box.closest("details").open) continue; // drawn when it opens
    const found = DATA.importance[Number(box.dataset.searched)];
    const s = Number(box.closest("details").dataset.hides);
    box.replaceChildren(dots(box, found, found.charts[Number(box.dataset.chart)], s));
  }
}

function dots(box, { name, goods }, { name: hyperparameter, log, values }, s) {
  const width = Math.max(box.clientWidth, 220);
  const chart = frame({
    width,
    height: 178,
    margin: { left: 42, right: 18, top: 12, bottom: 28 },
    title: `${name}: how good trials are by ${hyperparameter}`,
    description: `${values.length} points from ${amount(smallest(values))} to ${amount(largest(values))}.`,
    x: { domain: valueDomain(smallest(values), largest(values), log), log, count: Math.floor(width / 70) },
    y: { domain: [-0.04, 1.04], ticks: [0, 0.5, 1], format: (value) => `${100 * value}%` },
  });
  values.forEach((value, i) => {
    if (goods[i] === null) return;
    const says = `${amount(value)}: better than ${Math.round(100 * goods[i])}% of the others`;
    const place = { cx: chart.px(value), cy: chart.py(goods[i]), r: 4 };
    chart.over.append(svg("circle", { class: `dot c${s % NUM_COLOURS}`, ...place }, svg("title", {}, says)));
  });
  return chart.root;
}
