"""Data selection: a rule's rows, weights and losses worked by hand; the same choice however steps
are made; sentences for rules of another form."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from algoperf_lite.data.feed import Order
from algoperf_lite.data.plan import Consecutive
from algoperf_lite.population import stepper as population_stepper
from algoperf_lite.population.sharding import MemberSharding
from algoperf_lite.rules import tiny_workloads
from algoperf_lite.spec import DataSelection, Groups
from algoperf_lite.submission import native
from algoperf_lite.training import native_stepper, probe, train_step
from algoperf_lite.training.data_order import Batches
from algoperf_lite.training.data_parallel import SINGLE_DEVICE
from algoperf_lite.training.fed_steps import FedStepper
from algoperf_lite.training.selection import Chosen, weighed

WORKLOAD, WITH_NORM = tiny_workloads.both("tiny", tiny_workloads.Names())
SIZE, SEED, STEPS = 16, 3, 6
EXAMPLES = WORKLOAD.num_train_examples


def greedy(workload, hyperparameters):
    """The examples of the largest latest losses; a draw decides between those not seen yet."""

    def init(num_examples):
        return jnp.full(num_examples, 100.0)

    def select(state, key, step):
        odds = state + jax.random.uniform(key, state.shape)
        return jnp.argsort(-odds)[:SIZE], 1 / (1 + jnp.arange(SIZE))

    def update(state, rows, losses, step):
        return state.at[rows].set(losses * hyperparameters.kept)

    return DataSelection(init, select, update)


def _training(rule=greedy, workload=WORKLOAD, parts=1):
    entry = dataclasses.replace(
        native.load("nadamw"),
        name="mine",
        optimizer=lambda workload, hyperparameters: optax.sgd(hyperparameters.rate),
        schedule=None,
        data_selection=rule,
    )
    return train_step.TrainStep(workload, entry, {}, parts, "parts")


POINT = {"rate": np.float32(0.3), "kept": np.float32(0.9)}


def _start(training, point=POINT, seed=SEED):
    return jax.jit(training.init)(point, *train_step.init_model(training.workload, seed))


def _data(workload=WORKLOAD):
    return jax.device_put(dict(workload.source("train").arrays))


def _stepper(training, mode="single", length=1):
    batches = Batches(EXAMPLES, SIZE, SEED)
    way = _data(training.workload), batches, mode, length
    return native_stepper.NativeStepper(training, POINT, *way)


def _stepped(stepper, state, pieces=(STEPS,)):
    stepper.compile(state)
    state, step = jax.tree.map(jnp.copy, state), 0
    for count in pieces:
        state, step = stepper.advance(state, step, count), step + count
    return state


def _assert_close(one, other, tolerance=1e-5):
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    for a, b in pairs:
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("parts", [1, 2])
def test_a_step_by_hand(parts):
    seen = {}

    def rule(workload, hyperparameters):
        def update(state, rows, losses, step):
            return {"rows": rows, "losses": losses, "step": step + 10}

        nothing = {"rows": jnp.zeros(4, jnp.int32), "losses": jnp.zeros(4), "step": jnp.int32(0)}
        rows, weights = jnp.array([7, 1, 7, 40]), jnp.array([2.0, 0.5, 0.0, 1.0])
        return DataSelection(lambda n: nothing, lambda *_: (rows, weights), update)

    training = _training(rule, parts=parts)
    training = dataclasses.replace(
        training, submission=dataclasses.replace(training.submission, batch_size=lambda w: 4)
    )
    state = _start(training)
    seen = _stepped(_stepper(training), state, (1,))
    rows, weights = np.array([7, 1, 7, 40]), np.array([2.0, 0.5, 0.0, 1.0])
    batch = {name: array[rows] for name, array in _data().items()}

    def losses(params):
        mode = train_step.ForwardPassMode.TRAIN
        key = jax.random.key(0)  # that nothing is drawn from
        logits, _ = WORKLOAD.model_fn(params, batch, {}, mode, key, True)
        return -jnp.take_along_axis(
            jax.nn.log_softmax(logits), batch["targets"][:, None], axis=1
        ).ravel()

    mean = (weights * losses(state.params)).sum() / 4  # over examples, not over weights
    np.testing.assert_allclose(seen.loss_sum, mean, rtol=1e-6)
    np.testing.assert_array_equal(seen.selection["rows"], rows)
    np.testing.assert_allclose(seen.selection["losses"], losses(state.params), rtol=1e-6)
    assert int(seen.selection["step"]) == 10
    grads = jax.grad(lambda params: (weights * losses(params)).sum() / 4)(state.params)
    expected = jax.tree.map(lambda p, g: p - 0.3 * g, state.params, grads)
    _assert_close(seen.params, expected, 1e-6)


def test_an_examples_tokens_weigh_together_and_losses_have_the_mean_of_the_batch():
    per_token = jnp.array([[1.0, 3.0], [0.0, 2.0]])  # the second has one token
    loss = {"per_example": per_token, "summed": per_token.sum(), "n_valid_examples": 3.0}
    summed, parts = weighed(loss, jnp.array([0.5, 2.0]))
    assert float(summed) == 0.5 * 4 + 2 * 2
    np.testing.assert_array_equal(parts, [4.0, 2.0])
    losses = train_step.selection.of_mean(parts, 3.0)
    np.testing.assert_allclose(losses, [4 * 2 / 3, 2 * 2 / 3], rtol=1e-6)
    assert float(losses.mean()) == pytest.approx(float(per_token.sum()) / 3)
    assert weighed(loss, None) == (loss["summed"], ())


def test_a_rule_that_chooses_the_datas_own_order_changes_nothing():
    order = jnp.asarray(Batches(EXAMPLES, SIZE, SEED).indices(0, STEPS))

    def rule(workload, hyperparameters):
        return DataSelection(
            lambda n: (), lambda state, key, step: (order[step], None), lambda state, *_: state
        )

    own, usual = (_training(r, WITH_NORM) for r in (rule, None))
    found = [_stepped(_stepper(training), _start(training)) for training in (own, usual)]
    _assert_close(found[0].params, found[1].params)
    _assert_close(found[0].model_state, found[1].model_state)
    np.testing.assert_allclose(found[0].loss_sum, found[1].loss_sum, rtol=1e-6)


@pytest.mark.parametrize(("mode", "pieces"), [("scan", (1, 5)), ("unrolled", (6,))])
def test_modes_and_pieces_choose_the_same(mode, pieces):
    training = _training()
    state = _start(training)
    single = _stepped(_stepper(training), state)
    other = _stepped(_stepper(training, mode, 2), state, pieces)
    _assert_close(single.params, other.params)
    _assert_close(single.selection, other.selection)


def test_parts_of_a_batch_choose_the_same():
    state = _start(_training())
    found = [_stepped(_stepper(_training(parts=count)), state) for count in (1, 4)]
    _assert_close(*found)


def test_a_look_sees_the_examples_of_the_step():
    training = _training()
    stepper, state = _stepper(training), _start(training)
    reading = (stepper.compile(state), stepper.probe(state, 0))[1]
    after = stepper.advance(state, 0, 1)
    assert reading.loss == pytest.approx(float(after.loss_sum), rel=1e-5)
    assert probe.UPDATE in reading.norms


def test_members_of_a_population_choose_as_they_do_alone():
    training, rates = _training(), np.array([0.3, 0.1, 0.02], np.float32)
    points = {"rate": rates, "kept": np.array([0.9, 0.5, 1.1], np.float32)}
    states = [_start(training, seed=seed) for seed in range(3)]
    batches = [Batches(EXAMPLES, SIZE, seed) for seed in range(3)]
    layout = MemberSharding(3, 3)
    together = population_stepper.stepper(training, _data(), batches, "single", 1, layout)
    population = together.population(states, points)
    together.compile(population)
    population = together.advance(population, 0, STEPS)
    for i in range(3):
        point = {name: values[i] for name, values in points.items()}
        alone = native_stepper.NativeStepper(training, point, _data(), batches[i], "single", 1)
        expected, member = _stepped(alone, states[i]), together.member(population, i).state
        _assert_close(member.params, expected.params)
        _assert_close(member.selection, expected.selection)
    # Who copies another has what the other knew of the examples.
    copied = together.member(together.select(population, (2, 1, 2)), 0).state
    _assert_close(copied.selection, member.selection, 0)


@pytest.mark.parametrize("num_workers", [0, 3])
def test_a_feed_reads_what_the_rule_asks_for(num_workers):
    training, source = _training(), WORKLOAD.source("train")
    state = _start(training)
    resident = _stepped(_stepper(training), state)
    order = Order(source.plan(SEED, SIZE), SEED)
    fed = FedStepper(training, POINT, source, order, num_workers, SINGLE_DEVICE)
    try:
        end = _stepped(fed, state, (2, 4))
        looks = [one.probe(end, STEPS).loss for one in (_stepper(training), fed)]
    finally:
        fed.close()
    _assert_close(end.params, resident.params)
    _assert_close(end.selection, resident.selection)
    assert looks[0] == pytest.approx(looks[1], rel=1e-5)
    # Nothing could be read ahead, so all reading is waited for.
    assert fed.take_waited() > 0


def test_batches_that_are_put_together_otherwise_cannot_be_chosen():
    training, source = _training(), WORKLOAD.source("train")
    fed = FedStepper(
        training, POINT, source, Order(Consecutive(EXAMPLES, SIZE), SEED), 0, SINGLE_DEVICE
    )
    with pytest.raises(ValueError, match="'mine' chooses its examples .* cannot be chosen one by"):
        fed.compile(_start(training))


@pytest.mark.parametrize("row", [-1, EXAMPLES])
def test_a_row_that_is_not_there_ends_in_nan(row):
    rows = jnp.arange(SIZE).at[3].set(row)

    def rule(workload, hyperparameters):
        return DataSelection(lambda n: (), lambda *_: (rows, None), lambda state, *_: state)

    training = _training(rule)
    assert np.isnan(_stepped(_stepper(training), _start(training), (1,)).loss_sum)


ROWS, STATE = jnp.arange(SIZE), jnp.zeros(3)


@pytest.mark.parametrize(
    ("found", "after", "sentence"),
    [
        (ROWS, STATE, r"a select that returns int32\[16\]; it must return \(rows, weights\)"),
        ((ROWS[:5], None), STATE, r"returns rows int32\[5\]; .* integers \(16,\), and floats"),
        ((ROWS * 1.0, None), STATE, r"returns rows float32\[16\]"),
        ((ROWS, ROWS), STATE, r"returns weights int32\[16\]"),
        ((ROWS, 2.0), STATE, r"returns weights 2\.0"),
        ((ROWS, None), (STATE, STATE), r"an update that returns \(float32\[3\], float32\[3\]\)"),
        ((ROWS, None), STATE[:2], r"returns float32\[2\]; it must .* init made: float32\[3\]"),
    ],
)
def test_a_rule_of_another_form_is_refused_in_a_sentence(found, after, sentence):
    def rule(workload, hyperparameters):
        return DataSelection(lambda n: STATE, lambda *_: found, lambda *_: after)

    with pytest.raises(ValueError, match=f"data_selection of submission 'mine'.*{sentence}"):
        _start(_training(rule))


def test_what_is_no_rule_is_refused_and_none_is_the_usual_order():
    with pytest.raises(ValueError, match=r"returns \(1, 2, 3\); it must return a spec.DataSel"):
        _start(_training(lambda workload, hyperparameters: (1, 2, 3)))
    training = _training(lambda workload, hyperparameters: None)
    assert training.choose(_start(training), POINT, np.uint32(0)) is None
    assert _start(training).selection == ()


def test_draws_depend_on_seed_and_step_and_on_no_other_stream():
    def rule(workload, hyperparameters):
        def select(state, key, step):
            return jax.random.randint(key, (SIZE,), 0, EXAMPLES), None

        return DataSelection(lambda n: (), select, lambda state, *_: state)

    training = _training(rule)
    state = _start(training)
    later = state._replace(step=state.step + 1)
    asked = [(state, 1), (state, 2), (later, 1)]
    rows = [training.choose(s, POINT, np.uint32(seed)).rows.tolist() for s, seed in asked]
    assert len(set(map(tuple, rows))) == 3
    assert training.choose(state, POINT, np.uint32(1)).rows.tolist() == rows[0]
    assert isinstance(training.choose(state, POINT, np.uint32(1)), Chosen)


def test_groups_are_numbered_in_the_order_of_their_values():
    groups = Groups.by(np.array([7, 2, 9, 2]))
    assert groups.num_groups == 3
    assert groups.of_example.tolist() == [1, 0, 2, 0]
    assert groups.of_example.dtype == np.int32
