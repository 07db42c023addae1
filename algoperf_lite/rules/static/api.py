"""The functions of a form: a file has all of them, with the arguments they are called with."""

import ast
from collections.abc import Iterator

from algoperf_lite.rules.findings import Finding, finding
from algoperf_lite.rules.static.access_table import words
from algoperf_lite.rules.static.files import Files
from algoperf_lite.rules.static.source import Source

REQUIRED = ("get_batch_size", "init_optimizer_state", "update_params", "data_selection")
_STEP = words("""
    workload current_param_container current_params_types model_state hyperparameters loss_type
    optimizer_state eval_results global_step rng
""")
# AlgoPerf's runner passes these by keyword and those below by position, so each kind of call asks
# something else of a function.
_BY_KEYWORD = {"update_params": (*_STEP, "batch"), "prepare_for_eval": _STEP}
# Since v0.6 a file may ask for `train_state`; older ones do not know it.
_ALLOWED_BESIDE = {"update_params": ("train_state",)}
_BY_POSITION = {
    "get_batch_size": ("workload_name",),
    "get_eval_batch_size": ("workload_name",),
    "init_optimizer_state": ("workload", "model_params", "model_state", "hyperparameters", "rng"),
    "data_selection": words("""
        workload input_queue optimizer_state current_param_container model_state
        hyperparameters global_step rng
    """),
}
_NATIVE = {
    "optimizer": ("workload", "hyperparameters"),
    "schedule": ("workload", "hyperparameters"),
    "batch_size": ("workload",),
    "eval_params": ("optimizer_state", "params"),
    "data_selection": ("workload", "hyperparameters"),
}


def find(files: Files, entry: Source) -> Iterator[Finding]:
    """Findings about `entry`, the submission's own file."""
    is_native = is_native_form(entry)
    is_algoperf = _defines(entry, "update_params") or _defines(entry, "init_optimizer_state")
    place = f"{entry.name}:1"
    if is_native and is_algoperf:
        what = "it defines optimizer as well as update_params or init_optimizer_state"
        yield finding("api", place, what)
    elif not is_native and not is_algoperf:
        # What a star import brings is not in sight; the dry run will tell.
        if not _has_star(entry):
            yield finding("api", place, "it defines neither optimizer nor update_params")
    elif is_native:
        yield from _native(files, entry)
    else:
        yield from _algoperf(files, entry)


def is_native_form(entry: Source) -> bool:
    """Whether a file is read as a native submission; one that is of both forms is."""
    return _defines(entry, "optimizer")


def _native(files: Files, entry: Source) -> Iterator[Finding]:
    wanted = dict(_NATIVE)
    # Without a schedule of its own, an optimizer that needs a learning rate gets the default one.
    optimizer = entry.function("optimizer")
    if _defines(entry, "schedule") or (optimizer and len(_required(optimizer)) == 3):
        wanted["optimizer"] += ("learning_rate",)
    for name, names in wanted.items():
        source, function = _function(files, entry, name)
        if function and not _binds(function, names):
            why = " because the file has a schedule" if len(names) == 3 else ""
            what = f"{name} must take ({', '.join(names)}){why}"
            yield source.finding("api", function, what)


def _algoperf(files: Files, entry: Source) -> Iterator[Finding]:
    for name in REQUIRED:
        if not _defines(entry, name) and not _has_star(entry):
            yield finding("api", f"{entry.name}:1", f"it defines no {name}")
    for name, names in _BY_POSITION.items():
        source, function = _function(files, entry, name)
        if not function:
            continue
        # By position any names will do, but the same names in another order are a mistake.
        own = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
        if not _binds(function, names) or (own != list(names) and sorted(own) == sorted(names)):
            what = f"{name} must take ({', '.join(names)}) in this order"
            yield source.finding("api", function, what)
    for name, names in _BY_KEYWORD.items():
        source, function = _function(files, entry, name)
        if function:
            for problem in _keyword_problems(function, names, _ALLOWED_BESIDE.get(name, ())):
                yield source.finding("api", function, f"{name} {problem}")


def _keyword_problems(
    function: ast.FunctionDef, names: tuple[str, ...], allowed: tuple[str, ...]
) -> Iterator[str]:
    arguments = function.args
    named = {argument.arg for argument in (*arguments.args, *arguments.kwonlyargs)}
    missing = [] if arguments.kwarg else [name for name in names if name not in named]
    if missing:
        yield f"does not take {', '.join(missing)}, which it is passed by keyword"
    unknown = [name for name in _required(function) if name not in (*names, *allowed)]
    if unknown:
        yield f"requires {', '.join(unknown)}, which it is not passed"


def _required(function: ast.FunctionDef) -> list[str]:
    """Arguments without a default."""
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    required = positional[: len(positional) - len(arguments.defaults)]
    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    required += [argument for argument, default in pairs if default is None]
    return [argument.arg for argument in required]


def _binds(function: ast.FunctionDef, names: tuple[str, ...]) -> bool:
    """Whether the function can be called with that many arguments by position."""
    arguments = function.args
    most = len(arguments.posonlyargs) + len(arguments.args)
    only_by_keyword = [d for d in arguments.kw_defaults if d is None]
    is_enough = arguments.vararg is not None or len(names) <= most
    return most - len(arguments.defaults) <= len(names) and is_enough and not only_by_keyword


def _function(
    files: Files, entry: Source, name: str
) -> tuple[Source, ast.FunctionDef] | tuple[None, None]:
    """The definition of a function, in the file or in the helper it is imported from."""
    function = entry.function(name)
    if function:
        return entry, function
    imported = [path for _, path in entry.imports if path.rpartition(".")[2] == name]
    for source in files.sources if imported or _has_star(entry) else ():
        function = source.function(name)
        if function:
            return source, function
    return None, None


def _defines(source: Source, name: str) -> bool:
    return bool(source.scopes.values.get((source.tree, name)))


def _has_star(source: Source) -> bool:
    """Whether some names come from a helper by a star import, so that nothing tells which."""
    return any(
        isinstance(node, ast.ImportFrom) and node.names[0].name == "*" and path in source.helpers
        for node, path in source.imports
    )
