"""The project's own source files, parsed once, and the graph of what imports what."""

import ast
import dataclasses
import tokenize
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("algoperf_lite", "scoring", "workloads", "submissions", "studies", "benchmarks")

Arrows = dict[tuple[str, str], list[str]]  # {(from, to): the "file:line" of each import}


@dataclasses.dataclass(frozen=True)
class Import:
    """One import of one module.

    Attributes:
      target: the longest dotted name that is a module of ours; as written for other people's.
      line: 1-based line of the statement.
      place: "top", "function", "types" (under TYPE_CHECKING) or "dynamic" (by a function call).
    """

    target: str
    line: int
    place: str


@dataclasses.dataclass(frozen=True)
class Module:
    """A file and its dotted name; a package's `__init__.py` has the package's name."""

    name: str
    path: Path
    root: Path

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def comment_lines(self) -> set[int]:
        with tokenize.open(self.path) as file:
            tokens = tokenize.generate_tokens(file.readline)
            return {token.start[0] for token in tokens if token.type == tokenize.COMMENT}

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    def place(self, line: int) -> str:
        return f"{self.path.relative_to(self.root)}:{line}"


class Sources:
    """All modules of some packages under a root, by name."""

    def __init__(self, root: Path = ROOT, packages: Iterable[str] = PACKAGES):
        paths = [path for package in packages for path in sorted((root / package).rglob("*.py"))]
        modules = [Module(_name(path.relative_to(root)), path, root) for path in paths]
        self.modules = {module.name: module for module in modules}

    def inside(self, package: str) -> list[Module]:
        """The modules of a package, its own `__init__` included."""
        return [
            module
            for name, module in self.modules.items()
            if name == package or name.startswith(f"{package}.")
        ]

    def imports(self, module: Module) -> Iterator[Import]:
        """Every import of a module, wherever it stands in the file."""
        for node, place in _statements(module.tree, "top"):
            for name in _targets(node, module):
                yield Import(self._resolved(name), node.lineno, place)

    def arrows(self, package: str, room_of: Callable[[str], str | None]) -> Arrows:
        """The arrows between rooms of `package`; `room_of` gives a module's, or None for none."""
        found: dict[tuple[str, str], dict[str, None]] = {}
        for module in self.inside(package):
            for one in self.imports(module):
                pair = room_of(module.name), room_of(one.target)
                if None not in pair and pair[0] != pair[1]:
                    found.setdefault(pair, {})[module.place(one.line)] = None
        return {pair: list(places) for pair, places in found.items()}

    def _resolved(self, name: str) -> str:
        """`name` cut to the module of ours that it names or reaches into."""
        parts = name.split(".")
        for length in range(len(parts), 0, -1):
            if ".".join(parts[:length]) in self.modules:
                return ".".join(parts[:length])
        return name


def room_in(package: str) -> Callable[[str], str | None]:
    """The child of `package`, file or folder, that a module lies in.

    None for `__init__` and `__main__`: they are the door, and one may look at everything from it.
    """

    def room_of(name: str) -> str | None:
        inner = name.removeprefix(f"{package}.")
        return None if inner in (name, "__main__") else inner.partition(".")[0]

    return room_of


def folders(sources: Sources, package: str) -> list[str]:
    """`package` and the packages below it, as dotted names."""
    return [module.name for module in sources.inside(package) if module.is_package]


def circles(arrows: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Groups of rooms each of which reaches all others of its group; largest first."""
    targets = _targets_of(arrows)
    reached = {room: _reachable(room, targets) for room in targets}
    groups = {
        frozenset(other for other in reached[room] if room in reached[other])
        for room in targets
        if room in reached[room]
    }
    return sorted((sorted(group) for group in groups), key=len, reverse=True)


def running_back(arrows: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Arrows to cut so that no circle is left: those that a walk along a circle returns by."""
    targets, back = _targets_of(arrows), []
    done: set[str] = set()

    def visit(room: str, path: tuple[str, ...]) -> None:
        for other in sorted(targets[room]):
            if other in path:
                back.append((room, other))
            elif other not in done:
                visit(other, (*path, other))
        done.add(room)

    # From the rooms that most others reach last, so that a walk begins at the top of the house.
    order = sorted(targets, key=lambda room: len(_reachable(room, targets)), reverse=True)
    for room in order:
        if room not in done:
            visit(room, (room,))
    return back


def floors(arrows: Iterable[tuple[str, str]]) -> int:
    """Rooms on the longest chain of arrows, those that run back left out."""
    targets = _targets_of(set(arrows) - set(running_back(arrows)))
    heights: dict[str, int] = {}

    def height(room: str) -> int:
        if room not in heights:
            heights[room] = 1 + max((height(other) for other in targets[room]), default=0)
        return heights[room]

    return max(map(height, targets), default=1)


def _name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _statements(node: ast.AST, place: str) -> Iterator[tuple[ast.stmt | ast.Call, str]]:
    """(import, its place) of every statement and every call that imports."""
    for child in ast.iter_child_nodes(node):
        inner = place
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            inner = "function"
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            inner = "types"
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, place
        elif isinstance(child, ast.Call) and is_dynamic(child):
            yield child, "dynamic"
        yield from _statements(child, inner)


def is_dynamic(call: ast.Call) -> bool:
    """Whether a call imports a module by its name as text."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    return name in ("import_module", "__import__", "spec_from_file_location", "run_module")


def _targets(node: ast.stmt | ast.Call, module: Module) -> list[str]:
    """Dotted names that a statement imports; none for a call whose name is only known later."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            own = module.name.split(".")
            parent = own[: len(own) - node.level + module.is_package]
            base = ".".join([*parent, *([base] if base else [])])
        return [f"{base}.{alias.name}" for alias in node.names]
    first = node.args[0] if node.args else None
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        return [first.value]
    return ["dynamic"]


def _targets_of(arrows: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    targets: dict[str, set[str]] = {}
    for start, end in arrows:
        targets.setdefault(start, set()).add(end)
        targets.setdefault(end, set())
    return targets


def _reachable(room: str, targets: dict[str, set[str]]) -> set[str]:
    """Rooms at the end of one or more arrows; `room` itself only where a circle leads back."""
    found: set[str] = set()
    waiting = list(targets[room])
    while waiting:
        other = waiting.pop()
        if other not in found:
            found.add(other)
            waiting += targets[other]
    return found
