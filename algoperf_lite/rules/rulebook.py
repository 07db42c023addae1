"""The rulebook: each rule with its reason and its remedy in plain words."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
      name: stable, such as "clock-access".
      forbids: a noun phrase.
      why: the reason, a clause that can follow a colon.
      fix: what to write instead, a sentence.
    """

    name: str
    forbids: str
    why: str
    fix: str


RULES = {
    rule.name: rule
    for rule in (
        # The form of the files.
        Rule(
            "syntax",
            "a file that cannot be read as Python or JSON",
            "what cannot be read cannot be checked",
            "Make the file valid and its expressions less deeply nested.",
        ),
        Rule(
            "api",
            "a function that is missing, takes other arguments than it is called with, or returns "
            "something of another form",
            "the harness calls these functions with fixed arguments",
            "Define optimizer(workload, hyperparameters) or AlgoPerf's get_batch_size, "
            "init_optimizer_state, update_params and data_selection, with those arguments.",
        ),
        Rule(
            "search-space",
            "a search space that is malformed or depends on the workload",
            "one search space serves all workloads and is drawn from by the harness",
            "Give {name: {min, max, scaling}} or {name: {feasible_points}} or a list of full "
            "points, whose names are hyperparameters.",
        ),
        # Knowledge of the workload: AlgoPerf compares algorithms that work on models they have not
        # seen, and held-out variants are drawn to catch those that do not.
        Rule(
            "workload-identity",
            "the name, class or other identity of the workload",
            "an algorithm that knows which workload it trains can use settings made for it",
            "Use what is true of any workload: param_shapes, model_params_types, step_hint, "
            "loss_type.",
        ),
        Rule(
            "workload-internals",
            "an attribute of the workload that is private or not part of the interface",
            "such attributes tell workloads apart or lead to their data",
            "Use the attributes that a submission is given, such as param_shapes, step_hint, "
            "model_fn and loss_fn.",
        ),
        Rule(
            "held-out-data",
            "targets, validation or test data, and the functions that evaluate",
            "a submission trains on training batches only and must not know what it is scored by",
            "Use the batches that are handed over and the eval_results of finished evaluations.",
        ),
        Rule(
            "workload-table",
            "names of workloads outside get_batch_size and get_eval_batch_size",
            "settings looked up by workload are not the work of a general algorithm",
            "Derive the setting from shapes, types or the step hint, or make it a hyperparameter.",
        ),
        Rule(
            "parameter-fingerprint",
            "comparisons with, or tables keyed by, exact sizes or shapes",
            "an exact size tells which workload this is as well as its name does",
            "Decide by rank, by a ratio or by a threshold that is meant for any model.",
        ),
        Rule(
            "dynamic-attribute",
            "attributes whose names are computed",
            "static reading cannot tell what is reached through a computed name",
            "Write the attribute's name in full.",
        ),
        # The machine and the process: whatever is measured lives here, and the next trial too.
        Rule(
            "clock-access",
            "clocks",
            "a submission that reads or changes the clock can tell timed steps from others",
            "Count steps with global_step or the optimizer's state instead.",
        ),
        Rule(
            "system-access",
            "the operating system, other processes, devices' profilers, command-line flags",
            "a training algorithm computes, and what surrounds it belongs to the harness",
            "Leave it out; numbers about types are in np.finfo and jnp.finfo.",
        ),
        Rule(
            "background-work",
            "threads, processes, event loops",
            "work beside the step goes on while the clock is stopped",
            "Do the work within the step.",
        ),
        Rule(
            "network-access",
            "the network",
            "data and weights from elsewhere are no result of the training that is timed",
            "Leave it out; log through workload.metrics_logger.",
        ),
        Rule(
            "file-access",
            "reading and writing files, and serialisation made for it",
            "files carry weights, settings or results into a trial and from one to the next",
            "Keep state in the optimizer's state and constants in the source.",
        ),
        Rule(
            "dynamic-code",
            "code made or imported while running",
            "code that is not in the source cannot be checked",
            "Write the code out and import it at the top of the file.",
        ),
        Rule(
            "introspection",
            "interpreter internals: frames, globals, classes' families, the garbage collector",
            "through them a submission reaches the harness, its clock and its data",
            "Use the arguments that the functions are given.",
        ),
        Rule(
            "monkeypatch",
            "assignment to attributes of imported modules or of the workload",
            "it changes what the harness and later trials run",
            "Write a function of your own and call that.",
        ),
        Rule(
            "global-settings",
            "settings of JAX for the whole process: precision, x64, flags",
            "all submissions compute under the same settings, and evaluation under them too",
            "Cast arrays, or pass precision= to the single operation.",
        ),
        Rule(
            "host-callback",
            "calls from compiled code back into Python",
            "static reading cannot tell what runs on the host in the middle of a step",
            "Return the value from the step and use it there.",
        ),
        Rule(
            "harness-access",
            "modules of the harness, workloads or scoring",
            "they hold targets, data and clocks",
            "Import spec and jax_sharding_utils of algoperf, or schedules, optimizers and spec of "
            "algoperf_lite.",
        ),
        Rule(
            "undeclared-import",
            "modules that are neither usual, beside the file, nor in requirements.txt",
            "the submission would not run, or not be the same, on another machine",
            "Put the package into requirements.txt or the module beside the file; of the standard "
            "library use what computes.",
        ),
        Rule(
            "missing-import",
            "imports of what is not installed here, nor beside the file",
            "on this machine the submission cannot be run, and has not been tried",
            "Install the package: the extra algoperf has what AlgoPerf's own installation brings.",
        ),
        Rule(
            "other-framework",
            "a framework other than JAX",
            "the harness trains with JAX and loads no other framework",
            "Give the submission's files for JAX.",
        ),
        Rule(
            "embedded-data",
            "large literals and what unpacks them",
            "weights or tuned tables can be shipped inside the source",
            "Compute the values, or make them few.",
        ),
        Rule(
            "work-at-import",
            "calls while the file is imported",
            "work at import is done before a step is timed",
            "Move the call into init_optimizer_state, update_params or optimizer.",
        ),
        Rule(
            "trial-memory",
            "values kept in the module between calls",
            "what outlives a trial carries knowledge into the next one",
            "Keep it in the optimizer's state; caching jitted functions is fine.",
        ),
        # Found by running the submission; see `dynamic`.
        Rule(
            "does-not-run",
            "a submission that fails on a tiny workload",
            "what fails there fails in a trial",
            "Run it with --workloads=digits --max_global_steps=10 and read its traceback.",
        ),
        Rule(
            "changed-structure",
            "a step that returns trees of another structure, shape or type than it was given",
            "such a step compiles anew every time, and parameters have to stay as initialised",
            "Return (optimizer_state, params, model_state) with the structure, shapes and types "
            "that came in.",
        ),
        Rule(
            "modified-input",
            "arguments that are changed in place",
            "the harness and later steps use the same objects",
            "Make new trees, as jax.tree.map does.",
        ),
        Rule(
            "name-dependent",
            "results that depend on what layers or the workload are called",
            "whoever recognises a workload by its names can use settings made for it",
            "Treat parameters by shape and by model_params_types.",
        ),
    )
}
