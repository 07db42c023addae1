"""The harness and scoring have one format of logs."""

from algoperf_lite.population import lineage
from algoperf_lite.training.clock import Ledger
from algoperf_lite.trial import logs
from scoring.logs import format as log_format


def test_the_harness_writes_what_scoring_reads(tmp_path):
    trial = logs.TrialLogs(tmp_path, ["accuracy"])
    assert {path.name for path in tmp_path.iterdir()} == set(log_format.ROW_FILES)
    header = (tmp_path / log_format.EVALUATIONS).read_text().strip().split(",")
    assert {*log_format.COMMON_COLUMNS, "validation/accuracy"} <= set(header)
    assert trial.num_rows == 0
    assert lineage.FILE == log_format.LINEAGE


def test_the_ledger_has_the_accounts_of_the_format():
    assert tuple(Ledger().close()) == (*log_format.ACCOUNTS, "wall")
