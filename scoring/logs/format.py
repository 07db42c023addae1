"""The format of a tree of logs: names of files, columns, statuses and accounts, written once.

Layout: `<dir>/<submission>/study_<i>/<workload>_<framework>/trial_<j>/`. The harness writes by
these names and scoring reads by them, so both import them from here; this file imports nothing.
"""

# Files of a trial. The two CSV files and their columns are AlgoPerf's, so that its own tools read
# our logs and ours read its published ones; the others are ours.
EVALUATIONS = "eval_measurements.csv"
MEASUREMENTS = "measurements.csv"
ROW_FILES = (EVALUATIONS, MEASUREMENTS)  # a header, then a row for each evaluation
RECORD = "trial.json"  # how the trial ended, on what machine, where its time went
LINEAGE = "lineage.jsonl"  # of a population: a line for each generation
DIAGNOSTICS = "diagnostics.jsonl"  # where it was asked for: a line for each look inside
POINT = "hparams.json"  # of a trial that has no record yet, and in AlgoPerf's logs

# Files that an experiment keeps beside its submissions. Scoring names any other stray, so what
# the commands write there by default belongs on this list.
EXPERIMENT = "experiment.json"
SOURCES = "sources"  # of its submissions, as they were run
MERGED = "merged.json"  # in place of EXPERIMENT, in a tree that was put together of several
NOT_SUBMISSIONS = frozenset(
    {EXPERIMENT, SOURCES, MERGED, "calibration.txt", "profile.svg", "profile.png", "report.html"}
) | {"figures"}

STEP = "global_step"
CLOCK = "accumulated_submission_time"  # seconds on the submission's clock
SCORE = "score"  # the same seconds in all logs we know; AlgoPerf's scorer reads this column
LEARNING_RATE = "learning_rate"
COMMON_COLUMNS = (
    "accumulated_eval_time",
    "accumulated_logging_time",
    CLOCK,
    STEP,
    LEARNING_RATE,
    "preemption_count",
    SCORE,
    "total_duration",
)

# How a trial ends. The order is that of tables: the better first.
FAILURES = ("diverged", "out_of_memory", "crashed", "timed_out", "invalid")
OUTRUN = "outrun"  # stopped, since another trial of its study was sooner; see `trial.racing`
STATUSES = ("reached", "not_reached", OUTRUN, *FAILURES)
UNFINISHED = "unfinished"  # no end: what is said of a trial of ours that has no record yet

# Accounts of the ledger, in the order of tables. Only the first five are on the submission's
# clock (`compile` joins them where a run counts it). "wall" stands beside them as their sum.
ON_CLOCK = ("init", "data_selection", "update_params", "prepare_for_eval", "fitness")
OFF_CLOCK = ("setup", "compile", "eval", "log", "diagnostics", "checkpoint", "lost")
ACCOUNTS = ON_CLOCK + OFF_CLOCK
