"""Parts of the file that `replay` writes: functions that read its LINE at every step."""

POINT_AT = '''
Hyperparameters = namedtuple("Hyperparameters", LINE[0][1])
State = namedtuple("State", ("step", "inner"))


def point_at(step):
    """The hyperparameters of training step number `step`, counted from 0."""
    row = jnp.sum(step >= jnp.array([first for first, _ in LINE])) - 1
    columns = {name: jnp.array([point[name] for _, point in LINE]) for name in LINE[0][1]}
    # Where a column never changes, XLA would fold it into other constants and round otherwise.
    columns = jax.lax.optimization_barrier(columns)
    return Hyperparameters(**{name: column[row] for name, column in columns.items()})
'''
SCHEDULE = '''
def schedule(workload, hyperparameters):
    """The learning rate from step to step: at each, the schedule of the line's point there."""
    return lambda step: schedule_at(workload, point_at(step))(step)
'''
OPTIMIZER = '''
def optimizer(workload, hyperparameters{argument}):
    """At every step, the optimizer at the line's point there; all of them share one state."""

    def at(step):
        point = point_at(step)
        own = {made}
        return optax.with_extra_args_support(own)

    def init(params):
        return State(jnp.zeros((), jnp.int32), at(0).init(params))

    def update(updates, state, params=None, **extra):
        updates, inner = at(state.step).update(updates, state.inner, params, **extra)
        return updates, State(state.step + 1, inner)

    return optax.GradientTransformationExtraArgs(init, update)
'''
EVAL_PARAMS = """
def eval_params(state, params):
    return eval_params_at(state.inner, params)
"""
DATA_SELECTION = '''
def data_selection(workload, hyperparameters):
    """At every step, the rule at the line's point there; all of them share one state."""

    def at(step):
        return data_selection_at(workload, point_at(step))

    def init(num_examples):
        return at(0).init(num_examples)

    def select(state, key, step):
        return at(step).select(state, key, step)

    def update(state, rows, losses, step):
        return at(step).update(state, rows, losses, step)

    return at(0) and DataSelection(init, select, update)
'''
