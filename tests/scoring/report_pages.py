"""A small tree of logs with every trait that a report shows, and a browser to look at it with."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import scoring
from scoring.benchmark import Benchmark, Ruleset, Target
from scoring.views import html

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync "
    "--disable-dev-shm-usage --window-size=1280,900"
)
BENCHMARK = Benchmark(
    name="tiny",
    base_workloads=("alpha", "beta", "gamma", "hard"),
    held_out_workloads=("alpha_tanh",),
    workloads={
        "alpha": Target("accuracy", 0.9, 100),
        "beta": Target("loss", 0.5, 100),
        "gamma": Target("accuracy", 0.9, 100),
        "hard": Target("accuracy", 0.9, 100),
        "alpha_tanh": Target("accuracy", 0.9, 100),
    },
    rulesets={"external": Ruleset(2, 2, 1.0)},
    reference="middling",
)
# Seconds to target by submission and workload. Who is fastest changes with who is shown, and so
# does who is within four times the fastest; "last" earns alpha only if its variant is in reach,
# and "hard" is in no log but one.
TIMES = {
    "fast": {"alpha": 10.0, "beta": 11.0, "gamma": None, "alpha_tanh": 12.0},
    "middling": {"alpha": 17.3, "beta": 9.7, "gamma": 30.0, "alpha_tanh": 19.0},
    "slow_start": {"alpha": 31.7, "beta": 44.9, "gamma": 33.3, "hard": None, "alpha_tanh": 46.1},
    "last": {"alpha": 37.1, "beta": None, "gamma": 71.9, "alpha_tanh": 74.0},
}
INFO = {
    "status": "reached",
    "timing": "measured",
    "ledger": {"init": 0.5, "update_params": 8.0, "eval": 1.0, "compile": 0.5, "wall": 10.0},
    "fingerprint": {"key": "k1", "cpu": "A <fast> CPU", "environment": {"XLA_FLAGS": "--x"}},
    "versions": {"jax": "0.10.2"},
}


def write_trial(folder, workload, seconds, rate, info=None):
    """Eleven evaluations, of which the eighth meets the target `seconds` after the start."""
    target = BENCHMARK.workloads[workload]
    folder.mkdir(parents=True)
    rows = [
        f"accumulated_submission_time,global_step,score,validation/{target.metric},learning_rate"
    ]
    for i in range(11):
        clock = (seconds or 80.0) * i / 7
        good = 0.9 * min(i / 7, 1.0) if seconds else 0.08 * i
        metric = good if target.metric == "accuracy" else 1.4 - good
        rows.append(f"{clock},{10 * i},{clock},{metric},{rate * (11 - i)}")
    (folder / "eval_measurements.csv").write_text("\n".join([*rows, ""]))
    if info is not None:
        (folder / "trial.json").write_text(json.dumps(info))


def write_tree(root, names=tuple(TIMES), info=INFO):
    """Two studies of two trials of the named submissions, and one that crashed."""
    for name in names:
        for workload, seconds in TIMES[name].items():
            for study in (0, 1):
                for trial in (1, 2):
                    path = root / name / f"study_{study}" / f"{workload}_jax" / f"trial_{trial}"
                    own = (
                        None if seconds is None else seconds * (1 + 0.1 * study + 0.3 * (trial - 1))
                    )
                    write_trial(path, workload, own, 1e-3 * trial, info)
    if info is not None and "last" in names:
        trouble = {
            "error": "ValueError: <b>no</b>",
            "traceback": "Traceback:\n  x < y & z\nValueError",
        }
        path = root / "last" / "study_0" / "beta_jax" / "trial_2" / "trial.json"
        path.write_text(json.dumps({**info, "status": "crashed", **trouble}))
    return root


def write_page(logs, output, benchmark=BENCHMARK, **options):
    """The page of a tree, scored with these options; returns its path."""
    return html.write(scoring.score(logs, benchmark, **options), logs, output)


@contextmanager
def chromium(profile: Path) -> Iterator:
    """A headless Chromium that looks for no driver, and that logs what it asks the network for."""
    if not (CHROMIUM.exists() and DRIVER.exists()):
        problem = f"no {CHROMIUM} with {DRIVER}: apt-get install chromium chromium-driver"
        if os.environ.get("CI") == "true":
            pytest.fail(problem)
        pytest.skip(problem)
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS.split(), f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    try:
        yield driver
    finally:
        driver.quit()


def opened(browser, path):
    """The browser with the page loaded, its earlier log entries forgotten."""
    browser.get("about:blank")
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.get(Path(path).as_uri())
    return browser


def requests(browser):
    """What the page asked for, itself and inline data apart."""
    found = []
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            found.append(message["params"]["request"]["url"])
    return [url for url in found if not url.startswith(("data:", "about:", "blob:"))]


def assert_fits(browser, page, width):
    """A window of that width in pixels need not scroll sideways; boxes inside the page may."""
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        opened(browser, page)
        wide, room = browser.execute_script(
            "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert wide == room <= width
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
