"""The commands that documents quote: found by reading them, and made small enough for a test."""

import ast
import dataclasses
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
# How a command of this project begins, wherever it stands in a line of code.
_BEGINS = re.compile(
    r"(?:\.venv/bin/)?(?:algoperf-lite [a-z-]|python3? -m [a-z])|^ *make [a-z_-]+ *(?:$|#)"
)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`]+)`")
_OPTIONAL = re.compile(r"\[(--[^\]]*)\]")  # as in 'python -m studies.uba [--num_seeds=3]'
_NO_SHELL = ("python", "json", "svg")  # languages of fenced blocks

# Commands that no test can run, by a part of their text.
NOT_RUN = {
    "--coordinator_address": "needs a second host beside it",
    "--distributed": "needs Slurm, or the hosts of a TPU slice",
    "--ray_address": "needs a Ray cluster",
    "--scale=full": "needs AlgoPerf's data",
    "--decide": "adds studies, which other commands are given one of to be small",
    "$SLURM_ARRAY_TASK_ID": "needs a job of Slurm's",
    **{f"--to={name}": "needs its extra" for name in ("mlflow", "tensorboard", "wandb")},
    "algoperf-lite board": "goes on where another ends; its own tests go all the way",
    "data bench": "needs real data, which its own tests write",
    "docs.notebook": "rewrites a document; test_notebook.py executes it elsewhere",
    "data index": "needs real data, which its own tests write",
    "data prepare": "downloads; its own tests do from a server of their own",
    "data sample": "needs real data, which its own tests write",
    "data verify": "needs real data, which its own tests write",
    "quickstart": "is the whole tour, which takes minutes; a test of the wheel runs it",
    "watch runs/experiment": "lasts until it is interrupted; its own tests watch",
    "tests.device_less": "compiles for long, in a Python of its own; test_programs.py does a part",
    "tests.cheats.table": "tries every trick, which test_cheats.py does, and rewrites a document",
}
# Python packages that a command needs beyond those of the tests.
NEEDS = {"studies.measurements.pbt_vs_ray": "pydantic"}  # ray.tune does

# What stands in documents for a file or a folder of the reader's -> what lies on the desk, which
# is a folder that the test makes. In this order, each applied to every word.
_ON_THE_DESK = (
    (r"\S*lineage\.jsonl|\bLINEAGE\b", "{desk}/leader/lineage.jsonl"),
    (r"\bruns/pbt\b", "{desk}/population"),
    (r"^entry\.zip$", "{desk}/entry.zip"),
    (r"\bruns/\w+|\bDIR\b", "{desk}/experiment"),
    (r"\b(path/to/)?my_\w+\.py\b|\bFILE\b", "{desk}/my_optimizer.py"),
    (r"\bpath/to/my_submission\b", "{desk}/my_submission"),
    # Of the reader's own workload, in whose place `digits` trains; test_outside.py goes that way.
    (r"\bspirals\.json\b", "lite"),
    (r":(ready_interval|burn_in)=\d+", ""),
    (r"--population=\d+", "--population=2:ready_interval=2"),
    (r"--budgets=\S+", "--budgets=0.5"),
    (r"^--steps=\d+$", "--steps=2"),
    (r"--submissions=(\w+),\w+$", r"--submissions=\1"),  # a second one of ours shows nothing new
)
# Flags that make a command small, in place of the document's.
_SMALL: Mapping[str, tuple[str, ...]] = {
    "algoperf-lite calibrate": ("--workloads=digits",),
    "algoperf-lite check": (),
    "algoperf-lite data": (),
    "algoperf-lite export": ("--output=exported",),
    "algoperf-lite fidelity": (
        *("--benchmark_a=lite", "--benchmark_b=lite", "--match=nadamw=nadamw"),
        "--output=fidelity.html",
    ),
    "algoperf-lite list": (),
    "algoperf-lite merge": ("--output=merged",),
    "algoperf-lite pack": ("--output=entry.zip",),
    "algoperf-lite plot_schedules": ("--output=schedules.svg",),
    "algoperf-lite replay": ("--output=winner.py",),
    "algoperf-lite report": ("--benchmark=lite", "--output=report.html"),
    "algoperf-lite run": (
        *("--workloads=digits", "--max_global_steps=4", "--num_studies=1"),
        *("--num_tuning_trials=1", "--output_dir=out"),
    ),
    "algoperf-lite score": ("--benchmark=lite",),
    "algoperf-lite verify": (),
    # Not the multipliers, which it would write into the families' folders.
    "algoperf-lite set_targets": (
        *("--workloads=digits", "--stages=targets", "--algorithms=nadamw", "--num_points=1"),
        *("--num_candidates=1", "--num_seeds=1"),
        *("--output_dir=targets", "--benchmark=targets.json"),
    ),
    "pytest": ("--collect-only",),
    "tests.algoperf_form.run_all": (
        *("--submissions=adamw_cached_jit", "--workloads=digits", "--num_steps=2"),
        "--num_devices=1",
    ),
    **dict.fromkeys(("tests.architecture.figures", "tests.architecture.walk"), ()),
    "tests.faults.busy": ("--trials=1", "--load=1"),
    "tests.faults.corrupt": ("--cases=1",),
    "tests.faults.kill_resume": ("--cases=1",),
    **dict.fromkeys(("workloads.criteo1tb.data", "workloads.wmt.data"), ()),
    "workloads.librispeech.measure_mel": (),
    **{f"workloads.{name}.sample": ("sample.png",) for name in ("fastmri", "librispeech", "ogbg")},
}
_SMOKE = ("--smoke",)  # of every script of studies


@dataclasses.dataclass(frozen=True)
class Command:
    """A command as a document quotes it.

    Attributes:
      text: on one line, without a comment.
      is_block: stands in a block of code; otherwise within a sentence.
    """

    text: str
    is_block: bool = True

    @property
    def environment(self) -> dict[str, str]:
        """The variables that stand before the program.

        Raises ValueError, one sentence, where anything else does.
        """
        before = self.text[: _BEGINS.search(self.text).start()]
        if re.fullmatch(r"(\w+=\S* +)*", before):
            return dict(word.split("=", 1) for word in before.split())
        raise ValueError(
            f"a test cannot start {self.text!r} by {before!r}: add a part of the command to "
            "NOT_RUN in tests/docs/quoted_commands.py, with the reason"
        )

    @property
    def words(self) -> list[str]:
        """The program and its arguments: ["algoperf-lite", "run", ...], ["make", ...], or
        ["studies.uba", ...] for a module."""
        text = self.text[_BEGINS.search(self.text).start() :]
        text = _OPTIONAL.sub(r"\1", text)
        if text.count("'") % 2:  # a whole command is another one's argument
            text = text.removesuffix("'")
        words = shlex.split(text)
        if words[1] == "-m":
            words = words[2:]
        if words[0] == "algoperf_lite" or words[0].endswith("algoperf-lite"):
            words[0] = "algoperf-lite"
        return words

    @property
    def program(self) -> str:
        """'algoperf-lite run', 'make', or a module's name."""
        return " ".join(self.words[: self._num_names])

    @property
    def arguments(self) -> list[str]:
        """What stands behind the program."""
        return self.words[self._num_names :]

    @property
    def _num_names(self) -> int:
        return 2 if self.words[0] == "algoperf-lite" else 1

    @property
    def is_mention(self) -> bool:
        """Whether a sentence only names a command of ours, most of which need arguments."""
        return not self.is_block and self.words[0] == "algoperf-lite" and not self.arguments

    @property
    def not_run(self) -> str | None:
        """Why no test can run it; None where one does."""
        if self.program == "make":
            return None  # it is a dry run
        return next((why for part, why in NOT_RUN.items() if part in self.text), None)

    def small(self, desk: Path) -> list[str]:
        """Words of a command that does the same in seconds, in a folder of its own, without what
        the document calls optional.

        Raises ValueError, one sentence, where nobody has said how.
        """
        if self.program == "make":
            return ["make", "--dry-run", f"--directory={ROOT}", *self.arguments]
        is_study = self.program.startswith("studies.")
        if not is_study and self.program not in _SMALL:
            raise ValueError(
                f"no test knows how to make {self.text!r} small: add {self.program!r} to _SMALL in "
                "tests/docs/quoted_commands.py, or to NOT_RUN with the reason"
            )
        flags = _SMOKE if is_study else _SMALL[self.program]
        replaced = {flag.partition("=")[0] for flag in flags if flag.startswith("--")}
        replaced |= _smoke_flags(self.program) if is_study else set()
        given = Command(_OPTIONAL.sub("", self.text)).arguments
        kept = [word for word in given if word.partition("=")[0] not in replaced]
        words = [*(_on_the_desk(word, desk) for word in kept), *flags]
        if not self.program.startswith("algoperf-lite"):
            return [sys.executable, "-m", self.program, *words]
        command = self.program.split()[1]
        first = ["--submissions=nadamw"] if command == "run" else []  # a sentence may not say it
        return [sys.executable, "-m", "algoperf_lite", command, *first, *words]


def _smoke_flags(module: str) -> set[str]:
    """The flags of a study that --smoke sets, read from its file: loading them all loads JAX."""
    place = ROOT / Path(*module.split("."))
    # A package has it in one of its files; where there is neither, the test of its flags says so.
    paths = sorted(place.glob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    for path in filter(Path.exists, paths):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "SMOKE":
                return {f"--{key.value}" for key in node.value.keys}
    return set()


def _on_the_desk(word: str, desk: Path) -> str:
    for pattern, replacement in _ON_THE_DESK:
        word = re.sub(pattern, replacement.format(desk=desk), word)
    # Commands are quoted as of the repository's folder, and run in another one.
    return str(ROOT / word) if "/" in word and (ROOT / word).exists() else word


def distinct(given: Iterable[Command]) -> list[Command]:
    """The commands without those that, once small, are the same as an earlier one."""
    by_words: dict[tuple[str, ...], Command] = {}
    for command in given:
        try:
            words = tuple(command.small(Path("desk")))
        except ValueError:
            words = (command.text,)  # the test that runs it says why it cannot
        by_words.setdefault(words, command)
    return list(by_words.values())


def documents() -> list[Path]:
    """Everything that quotes commands: pages, and the modules of docs, studies and tests."""
    pages = [ROOT / "README.md", *ROOT.glob("CONTRIBUTING.md")]
    for folder in ("docs", "studies", "tests", "workloads"):
        pages += sorted((ROOT / folder).rglob("*.md"))
    folders = ("docs", "studies", "tests")
    modules = [path for name in folders for path in (ROOT / name).rglob("*.py")]
    return pages + sorted(modules)


def found() -> dict[Command, list[str]]:
    """Every command, with the documents that quote it."""
    by_command: dict[Command, list[str]] = {}
    for path in documents():
        text = path.read_text()
        if path.suffix == ".py":
            text = ast.get_docstring(ast.parse(text)) or ""
        for command in commands(text):
            by_command.setdefault(command, []).append(str(path.relative_to(ROOT)))
    return by_command


def commands(text: str) -> Iterator[Command]:
    """The commands in a text in Markdown: in fenced and indented blocks, and within sentences."""
    for language, block in _FENCE.findall(text):
        if language not in _NO_SHELL:
            yield from _of_block(block)
    text = _FENCE.sub("", text)
    lines, rest, before = text.split("\n"), [], ""
    block: list[str] = []
    for line in [*lines, ""]:
        # Markdown's own rule: four spaces begin a block behind an empty line, and go on with one.
        if line.startswith("    ") and (block or not before.strip()):
            block.append(line)
        else:
            yield from _of_block("\n".join(block))
            block = []
            rest.append(line)
        before = line
    for code in _INLINE.findall("\n".join(rest)):
        code = " ".join(code.split())  # it may go over the end of a line
        if _BEGINS.match(code):
            yield Command(code, is_block=False)


def _of_block(block: str) -> Iterator[Command]:
    for line in re.sub(r"\\\n\s*", "", block).split("\n"):
        if _BEGINS.search(line):
            yield Command(re.sub(r"\s+#.*$", "", line.strip()))
