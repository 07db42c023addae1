// Trials as the stream tells of them, put into the form that the report's charts draw.

const trials = new Map(); // by path
const experiment = { numTrials: null };
const samples = []; // of the machine, the oldest first
const MOST_SAMPLES = 300;
const UNFINISHED = "unfinished";

/* Submissions and workloads keep their places, and so their colours, once they are there. */
function placeOf(names, name) {
  const at = names.indexOf(name);
  return at < 0 ? names.push(name) - 1 : at;
}

function takeTrials(list) {
  for (const trial of list) {
    if (trial.status === null) trials.delete(trial.path);
    else trials.set(trial.path, trial);
  }
  for (const trial of trials.values()) {
    placeOf(DATA.submissions, trial.submission);
    const w = placeOf(DATA.workloads, trial.workload);
    DATA.targets[w] = { metric: trial.metric, value: trial.target, lower: trial.lower };
  }
  const every = [...trials.values()];
  DATA.curves = DATA.workloads.map((name) => every.filter((trial) => trial.workload === name).map(curveOf));
  // Who reached it first is what the curves show here; scores are the report's.
  DATA.times = DATA.submissions.map(() => DATA.workloads.map(() => null));
  DATA.ledger.rows = every.filter((trial) => trial.ledger).map(ledgerRow);
}

const curveOf = ({ submission, seconds, steps, values }) =>
  ({ submission: DATA.submissions.indexOf(submission), seconds, steps, values });

function ledgerRow({ submission, workload, ledger, wall }) {
  return {
    submission: DATA.submissions.indexOf(submission),
    workload: DATA.workloads.indexOf(workload),
    // An account that we do not know is in the wall time alone.
    seconds: DATA.ledger.accounts.map((account) => ledger[account] ?? 0),
    wall,
  };
}

function takeSamples(list) {
  samples.push(...list);
  samples.splice(0, Math.max(samples.length - MOST_SAMPLES, 0));
}

const shownTrials = () =>
  [...trials.values()].filter((trial) => !state.hidden.has(DATA.submissions.indexOf(trial.submission)));

const unfinished = () =>
  shownTrials().filter((trial) => trial.status === UNFINISHED).sort((a, b) => b.changed - a.changed);

/* How many trials of a submission on a workload ended in which way: [[status, count]], most first. */
function outcomes(submission, workload) {
  const own = [...trials.values()].filter((t) => t.submission === submission && t.workload === workload);
  const groups = [...Map.groupBy(own, (trial) => trial.status)].map(([status, list]) => [status, list.length]);
  return groups.sort((a, b) => b[1] - a[1]);
}
