// The arithmetic of scoring/stats/profile.py, so that a reader can ask what the board would be without
// some of its submissions. tests/scoring/views/test_report.py holds the two against each other.

/* Gated times, ratios, score and profile corners of the visible submissions (places on the board). */
function standings(visible) {
  const all = DATA.workloads.map((_, w) => w);
  const active = DATA.onlyPresent
    ? all.filter((w) => visible.some((s) => DATA.logged[s][w]))
    : all;
  const bases = DATA.bases.filter((w) => active.includes(w));
  const gated = gate(visible.map((s) => all.map((w) => DATA.times[s][w] ?? Infinity)), active);
  const fastest = all.map((w) => Math.min(...gated.map((row) => row[w])));
  const rows = visible.map((submission, i) => {
    const ratios = bases.map((w) => ratio(gated[i][w], fastest[w]));
    return {
      submission,
      ratios,
      score: bases.length ? score(ratios) : NaN,
      reached: ratios.filter(Number.isFinite).length,
      workloads: bases.length,
    };
  });
  // Rounded: equal scores may differ in the last bits, as their sums run in another order.
  const shown = (row) => Number(row.score.toFixed(12));
  const name = (row) => DATA.submissions[row.submission];
  return rows.sort((a, b) => shown(b) - shown(a) || (name(a) < name(b) ? -1 : 1));
}

/* A variant counts only where its base was reached; no time above four times the fastest counts; a
   base counts only where its variant does. In this order. */
function gate(times, active) {
  const pairs = DATA.pairs.filter((pair) => pair.every((w) => active.includes(w)));
  for (const [variant, base] of pairs)
    for (const row of times) if (row[base] === Infinity) row[variant] = Infinity;
  for (const w of active) {
    const fastest = Math.min(...times.map((row) => row[w]));
    for (const row of times) if (row[w] / DATA.gateFactor > fastest) row[w] = Infinity;
  }
  for (const [variant, base] of pairs)
    for (const row of times) if (row[variant] === Infinity) row[base] = Infinity;
  return times;
}

function ratio(time, fastest) {
  if (!Number.isFinite(time)) return Infinity;
  return time === fastest ? 1 : time / fastest;
}

/* Share of workloads solved within tau of the fastest. */
function rho(ratios, tau) {
  return ratios.filter((r) => r <= tau).length / ratios.length;
}

function score(ratios) {
  const span = DATA.tauMax - 1;
  if (DATA.mode === "official") {
    const share = DATA.tau.map((tau) => rho(ratios, tau));
    let area = 0;
    for (let i = 1; i < share.length; i++)
      area += ((share[i] + share[i - 1]) / 2) * (DATA.tau[i] - DATA.tau[i - 1]);
    return area / span;
  }
  const earned = ratios.map((r) => Math.min(Math.max((DATA.tauMax - r) / span, 0), 1));
  return earned.reduce((sum, x) => sum + x, 0) / ratios.length;
}

/* Corners [tau, share] of the profile's step curve, from tau 1 to 4. */
function corners(ratios) {
  const inside = ratios.filter((r) => r <= DATA.tauMax).sort((a, b) => a - b);
  return [1, ...inside, DATA.tauMax].map((tau) => [tau, rho(ratios, tau)]);
}
