"""The meaning of names: Python's scopes, read off a syntax tree.

The standard library's `symtable` knows the same rules but does not lead from a node to its scope.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Binding = tuple[ast.AST, str]  # (module, class, function or comprehension; name)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_WITHOUT_CHILDREN = (ast.expr_context, ast.operator, ast.boolop, ast.unaryop, ast.cmpop)


class Scopes:
    """Every node's parent and scope, and where each name is bound.

    Attributes:
      nodes: all nodes, parents before children.
      parents: of each node but the module.
      values: what each binding is given: expressions (the whole one where it is unpacked),
        definitions, None for what is not in sight, such as an argument or the target of a loop.
    """

    def __init__(self, tree: ast.Module):
        self._module = tree
        self.nodes: list[ast.AST] = []
        self.parents: dict[ast.AST, ast.AST] = {}
        self.values: dict[Binding, list[ast.AST | None]] = defaultdict(list)
        self._scope_of: dict[ast.AST, ast.AST] = {}
        self._bound: dict[ast.AST, set[str]] = defaultdict(set)
        self._global: dict[ast.AST, set[str]] = defaultdict(set)
        self._not_own: dict[ast.AST, set[str]] = defaultdict(set)
        self._walk()
        self._bind()

    def binding(self, node: ast.Name) -> Binding | None:
        """The place where the name is bound; None for a builtin, or what a star import brings."""
        return self.lookup(node.id, self._scope_of[node])

    def lookup(self, name: str, scope: ast.AST) -> Binding | None:
        """The binding that `name` means in a scope; None as above."""
        while True:
            if name in self._global[scope]:
                return (self._module, name)
            if name in self._bound[scope] and name not in self._not_own[scope]:
                return (scope, name)
            if scope is self._module:
                return None
            scope = self._scope_of[scope]
            while isinstance(scope, ast.ClassDef):  # methods do not see the names of their class
                scope = self._scope_of[scope]

    def scope_of(self, node: ast.AST) -> ast.AST:
        """The module, class, function or comprehension that a node's names are looked up in."""
        return self._scope_of[node]

    def is_global(self, binding: Binding | None) -> bool:
        """Whether the module itself binds it."""
        return binding is not None and binding[0] is self._module

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """Parents, nearest first."""
        while node in self.parents:
            node = self.parents[node]
            yield node

    def functions(self, node: ast.AST) -> Iterator[Function]:
        """The functions in whose bodies a node is, innermost first."""
        scope = self._scope_of[node]
        while scope is not self._module:
            if isinstance(scope, Function):
                yield scope
            scope = self._scope_of[scope]

    def _walk(self) -> None:
        # A stack and no recursion: deeply nested files are read and not refused.
        stack: list[tuple[ast.AST, ast.AST]] = [(self._module, self._module)]
        while stack:
            node, scope = stack.pop()
            self.nodes.append(node)
            self._scope_of[node] = scope
            children = [
                child
                for child in ast.iter_child_nodes(node)
                if not isinstance(child, _WITHOUT_CHILDREN)
            ]
            for child in reversed(children):
                self.parents[child] = node
                stack.append((child, self._scope_of_child(node, child, scope)))

    def _scope_of_child(self, node: ast.AST, child: ast.AST, scope: ast.AST) -> ast.AST:
        # Decorators, defaults, annotations and bases are evaluated outside of what they belong to.
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            return node if child in node.body else scope
        if isinstance(node, ast.Lambda):
            return node if child is node.body else scope
        if isinstance(node, ast.arguments) and isinstance(child, ast.arg):
            return self.parents[node]
        if isinstance(node, _COMPREHENSIONS):
            return node
        # So is what the first loop of a comprehension goes through.
        if isinstance(node, ast.comprehension):
            whole = self.parents[node]
            is_first = node is whole.generators[0] and child is node.iter
            return self._scope_of[whole] if is_first else scope
        return scope

    def _bind(self) -> None:
        # Three passes: a name's scope depends on declarations that may stand below its use, and
        # its values on the scope.
        for node in self.nodes:
            scope = self._scope_of[node]
            if isinstance(node, ast.Global):
                self._global[scope].update(node.names)
            elif isinstance(node, ast.Nonlocal):
                self._not_own[scope].update(node.names)
        for node in self.nodes:
            scope = self._scope_of[node]
            for name, _ in self._bound_by(node):
                # `:=` in a comprehension binds outside of it (PEP 572).
                if isinstance(self.parents.get(node), ast.NamedExpr):
                    while isinstance(scope, _COMPREHENSIONS):
                        scope = self._scope_of[scope]
                self._bound[scope].add(name)
        for node in self.nodes:
            for name, value in self._bound_by(node):
                binding = self.lookup(name, self._scope_of[node])
                if binding is not None:  # `nonlocal x` where there is none
                    self.values[binding].append(value)

    def _bound_by(self, node: ast.AST) -> list[tuple[str, ast.AST | None]]:
        """Names that a node binds, each with what it is given."""
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                return [(name, self._given(node))]
            case ast.arg(arg=name):
                return [(name, self._default(node))]
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                return [(name, node)]
            case ast.ClassDef(name=name):
                return [(name, node)]
            case ast.alias(name=path, asname=name) if path != "*":
                return [(name or path.partition(".")[0], None)]
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
                return [(name, None)]
            case ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
                return [(name, None)]
        return []

    def _given(self, target: ast.Name) -> ast.AST | None:
        """The expression assigned to a name, where it is in sight."""
        # Loops, `with` and augmented assignments give what only running the file could tell.
        parent = self.parents[target]
        if isinstance(parent, ast.Assign | ast.AnnAssign | ast.NamedExpr):
            return parent.value
        if isinstance(parent, ast.Tuple | ast.List):
            whole = self.parents[parent]
            if isinstance(whole, ast.Assign):
                values = getattr(whole.value, "elts", [])
                is_pairwise = len(values) == len(parent.elts)
                return values[parent.elts.index(target)] if is_pairwise else whole.value
        return None

    def _default(self, argument: ast.arg) -> ast.AST | None:
        arguments = self.parents[argument]
        positional = [*arguments.posonlyargs, *arguments.args]
        if argument in positional:
            from_end = len(positional) - positional.index(argument)
            return arguments.defaults[-from_end] if from_end <= len(arguments.defaults) else None
        if argument in arguments.kwonlyargs:
            return arguments.kw_defaults[arguments.kwonlyargs.index(argument)]
        return None
