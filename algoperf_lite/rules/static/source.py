"""A submission's file as its syntax tree, with the dotted names that its expressions stand for."""

import ast
import builtins
import warnings
from collections import defaultdict
from collections.abc import Iterator

from algoperf_lite.rules.findings import VIOLATION, Finding, finding
from algoperf_lite.rules.static.scopes import Binding, Scopes

_BY_NAME = ("getattr", "hasattr", "setattr", "delattr")
_GETTERS = ("operator.attrgetter", "operator.methodcaller")
_TEXT_WIDTH = 60
_ALIAS_PASSES = 4  # follows a = jax; b = a; ...; without a limit, x = x.y would never end


class Source:
    """A parsed file.

    Attributes:
      tree: the module.
      name: what findings call the file.
      scopes: what its names mean.
      imports: (node, dotted name) of everything imported; relative ones start with dots.
      helpers: dotted names among them whose files are beside this one; set by `files`.
      is_entry: whether it is the submission's own file, not a helper; set by `files`.
    """

    def __init__(self, tree: ast.Module, name: str):
        self.tree = tree
        self.name = name
        self.scopes = Scopes(tree)
        self.imports: list[tuple[ast.AST, str]] = []
        self.helpers: frozenset[str] = frozenset()
        self.is_entry = False
        self._stars: list[str] = []
        self._paths: dict[Binding, set[str]] = defaultdict(set)
        self._read_imports()
        self._follow_aliases()

    @property
    def nodes(self) -> list[ast.AST]:
        """All nodes of the tree, parents before children."""
        return self.scopes.nodes

    def place(self, node: ast.AST) -> str:
        """The file and line of a node, as findings give them."""
        return f"{self.name}:{getattr(node, 'lineno', 1)}"

    def text(self, node: ast.AST) -> str:
        """The beginning of an expression's source."""
        return ast.unparse(node).partition("\n")[0][:_TEXT_WIDTH]

    def finding(self, rule: str, node: ast.AST, what: str, severity: str = VIOLATION) -> Finding:
        """A finding against `rule` at a node of this file."""
        return finding(rule, self.place(node), what, severity)

    def paths(self, node: ast.AST) -> frozenset[str]:
        """Dotted names that an expression may stand for, such as {'jax.config.update'}."""
        match node:
            case ast.Name(id=name):
                binding = self.scopes.binding(node)
                if binding is not None:
                    return frozenset(self._paths[binding])
                # A star import may bring any name, so an unbound one may be a builtin or its.
                is_builtin = hasattr(builtins, name) or name.startswith("__")
                own = [f"builtins.{name}"] if is_builtin else []
                return frozenset(own + [f"{star}.{name}" for star in self._stars])
            case ast.Attribute(value=value, attr=name):
                return frozenset(f"{path}.{name}" for path in self.paths(value))
            case ast.IfExp(body=body, orelse=orelse):
                return self.paths(body) | self.paths(orelse)
            case ast.Call(func=ast.Name(id="getattr"), args=[value, ast.Constant(str(name)), *_]):
                return frozenset(f"{path}.{name}" for path in self.paths(value))
        return frozenset()

    def calls(self, node: ast.AST, *paths: str) -> bool:
        """Whether a node is a call of one of `paths`."""
        return isinstance(node, ast.Call) and not self.paths(node.func).isdisjoint(paths)

    def attributes(self) -> Iterator[tuple[ast.AST, ast.AST, str | None]]:
        """(where, object, attribute) for each attribute, its name being None where computed.

        Those that `getattr`, `operator.attrgetter` or a class pattern reach are among them.
        """
        for node in self.nodes:
            match node:
                case ast.Attribute(value=value, attr=name):
                    yield node, value, name
                case ast.Call(args=[value, name, *_]) if self._is_builtin(node.func, *_BY_NAME):
                    yield node, value, _text(name)
                case ast.Call(args=[first, *_]) if self.calls(node, *_GETTERS):
                    for part in (_text(first) or "").split("."):
                        yield node, node, part or None
                case ast.MatchClass(kwd_attrs=names):
                    case_of = (a for a in self.scopes.ancestors(node) if isinstance(a, ast.Match))
                    subject = next(case_of).subject
                    yield from ((node, subject, name) for name in names)

    def function(self, name: str) -> ast.FunctionDef | None:
        """The last definition of a function in the module's own body."""
        found = [node for node in self.tree.body if isinstance(node, ast.FunctionDef)]
        return next((node for node in reversed(found) if node.name == name), None)

    def _is_builtin(self, node: ast.AST, *names: str) -> bool:
        return not self.paths(node).isdisjoint(f"builtins.{name}" for name in names)

    def _read_imports(self) -> None:
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    root = alias.name.partition(".")[0]
                    self.imports.append((node, alias.name))
                    # `import a.b` binds a, `import a.b as c` binds a.b.
                    means = alias.name if alias.asname else root
                    self._paths[self._at(node, alias.asname or root)].add(means)
            elif isinstance(node, ast.ImportFrom):
                module = "." * node.level + (node.module or "")
                for alias in node.names:
                    if alias.name == "*":
                        self.imports.append((node, module))
                        self._stars.append(module)
                        continue
                    joint = "" if module.endswith(".") else "."
                    path = f"{module}{joint}{alias.name}"
                    self.imports.append((node, path))
                    self._paths[self._at(node, alias.asname or alias.name)].add(path)

    def _at(self, node: ast.AST, name: str) -> Binding:
        return self.scopes.lookup(name, self.scopes.scope_of(node))

    def _follow_aliases(self) -> None:
        # Only values that may stand for a module or something in it; the rest has no path.
        aliases = [
            (binding, value)
            for binding, values in self.scopes.values.items()
            for value in values
            if isinstance(value, ast.Name | ast.Attribute | ast.IfExp | ast.Call)
        ]
        for _ in range(_ALIAS_PASSES):
            for binding, value in aliases:
                self._paths[binding] |= self.paths(value)


def parse(text: bytes, name: str) -> Source | Finding:
    """The file with that content, or the finding that it is none.

    Never raises: text too deeply nested for Python's own parser is a finding as well.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape sequence in a string is no matter here
            tree = ast.parse(text)
        return Source(tree, name)
    except SyntaxError as error:
        return finding("syntax", f"{name}:{error.lineno or 1}", f"{error.msg}")
    except (ValueError, RecursionError, MemoryError) as error:
        return finding("syntax", f"{name}:1", str(error) or type(error).__name__)


def docstrings(source: Source) -> set[ast.AST]:
    """Strings that are documentation: statements by themselves, or assigned to `__doc__`."""
    found = {node.value for node in source.nodes if isinstance(node, ast.Expr)}
    for node in source.nodes:
        match node:
            case ast.Assign(targets=[ast.Attribute(attr="__doc__")], value=value):
                found.add(value)
    return found


def _text(node: ast.AST) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
