"""ogbg: exact sizes, molecules and labels that hold up to a slow second look, a masked metric."""

import collections
import dataclasses
import functools
import hashlib
import itertools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import average_precision_score

import workloads
from algoperf_lite.spec import ForwardPassMode, ParameterType
from workloads.ogbg import data, molecules
from workloads.ogbg.assays import ASSAYS
from workloads.ogbg.molecules import ELEMENTS
from workloads.ogbg.workload import mean_average_precision

SHAPES = Path(__file__).parents[3] / "shared" / "facts" / "param_shapes"
NUM_PARAMS = {
    "ogbg": 3_554_176,
    "ogbg_gelu": 3_554_176,
    "ogbg_silu": 3_554_176,
    "ogbg_model_size": 2_571_648,
}
# Of another process; the targets of the benchmark are set on these bytes.
DATA_SHA256 = "a67b32753bc593720b6cc05232fd3e1f0f71fb9b4bf67d6c5fb2c111a231e522"


@pytest.fixture(scope="module")
def workload():
    return workloads.load("ogbg")


@pytest.fixture(scope="module")
def params(workload):
    return params_of(workload)


def params_of(workload, seed=0):
    """Arbitrary parameters, much faster than compiling the initialisation."""
    shapes = jax.eval_shape(workload.init_model_fn, jax.random.key(0))[0]
    random = np.random.default_rng(seed)
    return jax.tree.map(lambda p: random.normal(0.1, 0.3, p.shape).astype(p.dtype), shapes)


def head(size, split="train"):
    return {name: values[:size].copy() for name, values in data.examples(split).items()}


@functools.partial(jax.jit, static_argnums=0, static_argnames="mode")
def logits_of(workload, params, batch, mode=ForwardPassMode.EVAL, seed=0, dropout_rate=None):
    key = jax.random.key(seed)
    return workload.model_fn(params, batch, {}, mode, key, True, dropout_rate)[0]


# --- sizes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NUM_PARAMS)
def test_full_scale_has_algoperfs_parameter_count(name):
    assert workloads.load(name, "full").num_params == NUM_PARAMS[name]


@pytest.mark.parametrize("name", ["ogbg", "ogbg_model_size"])
def test_full_scale_has_algoperfs_parameter_shapes(name):
    table = SHAPES / f"{name}.tsv"
    if not table.exists():
        pytest.skip(f"no table of AlgoPerf's shapes at {table}")
    rows = [line.split("\t") for line in table.read_text().splitlines() if line[0] != "#"]
    theirs = collections.Counter(tuple(map(int, shape.split("x"))) for _, _, shape in rows)
    leaves = jax.tree.leaves(workloads.load(name, "full").param_shapes)
    assert collections.Counter(leaf.shape_tuple for leaf in leaves) == theirs


def test_full_scale_wants_to_know_where_its_data_are():
    with pytest.raises(ValueError, match="by --data_dir"):
        workloads.load("ogbg_gelu", "full").source("train")


def test_param_types_and_output_layer(workload):
    types = workload.model_params_types
    embedding = {"kernel": ParameterType.EMBEDDING, "bias": ParameterType.BIAS}
    assert types["node_embedding"] == types["edge_embedding"] == embedding
    assert types["dense_edge_0_0"] == {"kernel": ParameterType.WEIGHT, "bias": ParameterType.BIAS}
    kinds = collections.Counter(jax.tree.leaves(types))
    num_mlps = 3 * workload.config.num_steps
    assert kinds == {
        ParameterType.EMBEDDING: 2,
        ParameterType.WEIGHT: num_mlps + 1,
        ParameterType.BIAS: num_mlps + 3,
        ParameterType.LAYER_NORM_SCALE: num_mlps,
        ParameterType.LAYER_NORM_BIAS: num_mlps,
    }
    assert [key for key in types if workload.is_output_params(key)] == ["output"]


# --- data -------------------------------------------------------------------------------------


def test_data_are_the_same_bytes_in_every_process():
    digest = hashlib.sha256()
    for split in data.SPLIT_SIZES:
        for name, values in sorted(data.examples(split).items()):
            digest.update(name.encode() + np.ascontiguousarray(values).tobytes())
    assert digest.hexdigest() == DATA_SHA256


def as_molecules(graphs):
    """The generator's form of molecules, back from the padded graphs."""
    elements = graphs["inputs"][:, :, : len(ELEMENTS)]
    orders = (graphs["edges"] * np.arange(1, 4)).sum(axis=2)[:, ::2]
    bonds = np.stack([graphs["senders"][:, ::2], graphs["receivers"][:, ::2], orders], axis=2)
    return molecules.Molecules(
        np.where(elements.any(axis=2), elements.argmax(axis=2), -1).astype(np.int8),
        bonds.astype(np.int8),
        graphs["inputs"][:, :, -1],
    )


def keys_of(some):
    return molecules.keys(some, molecules.neighbours(some))


def test_no_molecule_is_in_two_splits_or_twice_in_one():
    keys = [keys_of(as_molecules(data.examples(split))) for split in data.SPLIT_SIZES]
    assert [len(part) for part in keys] == list(data.SPLIT_SIZES.values())
    assert len(np.unique(np.concatenate(keys))) == sum(data.SPLIT_SIZES.values())


def test_the_key_of_a_molecule_does_not_depend_on_how_it_is_written():
    random, original = np.random.default_rng(0), as_molecules(head(200))
    written = molecules.Molecules(*(np.zeros_like(part) for part in original))
    for row in range(200):
        size, bonds = original.num_atoms[row], original.num_bonds[row]
        place = np.concatenate([random.permutation(size), np.arange(size, 24)])
        written.elements[row, place] = original.elements[row]
        written.hydrogens[row, place] = original.hydrogens[row]
        order = random.permutation(bonds)
        written.bonds[row, :bonds, :2] = place[original.bonds[row, order, :2][:, ::-1]]
        written.bonds[row, :bonds, 2] = original.bonds[row, order, 2]
    assert not np.array_equal(original.bonds, written.bonds)
    np.testing.assert_array_equal(keys_of(original), keys_of(written))
    written.bonds[:, 0, 2] = 1 + written.bonds[:, 0, 2] % 3
    assert not np.isin(keys_of(written), keys_of(original)).any()


class SlowMolecule:
    """One padded graph as a dictionary of neighbours, searched with plain Python."""

    def __init__(self, graph):
        features, edges = graph["inputs"], int(graph["n_edge"])
        self.elements = [
            ELEMENTS[features[atom, : len(ELEMENTS)].argmax()] for atom in range(graph["n_node"])
        ]
        self.hydrogens = features[: graph["n_node"], -1].tolist()
        self.degrees = features[: graph["n_node"], -2].tolist()
        self.edges = [
            (int(graph["senders"][e]), int(graph["receivers"][e]), 1 + int(np.argmax(kind)))
            for e, kind in enumerate(graph["edges"][:edges])
        ]
        self.bonds = {atom: {} for atom in range(len(self.elements))}
        for one, other, order in self.edges:
            self.bonds[one][other] = order
        self.rings = {self.ring_size(one, other) for one, other, _ in self.edges}
        self.ring_bonds = {
            (one, other) for one, other, _ in self.edges if 0 < self.ring_size(one, other) <= 7
        }
        self.ring_atoms = {one for one, _ in self.ring_bonds}

    def hops(self, start, without=None):
        """Bonds from `start` to every atom, not using the bond `without`."""
        found, queue = {start: 0}, collections.deque([start])
        while queue:
            atom = queue.popleft()
            for near in self.bonds[atom]:
                if near not in found and {atom, near} != without:
                    found[near] = found[atom] + 1
                    queue.append(near)
        return found

    def ring_size(self, one, other):
        """Atoms in the shortest cycle through a bond; 0 for none."""
        return self.hops(one, without={one, other}).get(other, -1) + 1

    def matches(self, pattern):
        """Chains such as "O=C-N", bond by bond, never straight back."""
        elements, orders = pattern.replace("=", "-").split("-"), [c for c in pattern if c in "-="]

        def extends(chain):
            if len(chain) == len(elements):
                return [chain]
            order = " -=".index(orders[len(chain) - 1])
            return itertools.chain.from_iterable(
                extends([*chain, near])
                for near, kind in self.bonds[chain[-1]].items()
                if kind == order and near not in chain[-2:] and self.is_(elements[len(chain)], near)
            )

        starts = (atom for atom in self.bonds if self.is_(elements[0], atom))
        return list(itertools.chain.from_iterable(extends([atom]) for atom in starts))

    def is_(self, element, atom):
        """Whether an atom is of an element; X stands for the halogens, * for all."""
        kinds = {"X": ("F", "Cl", "Br"), "*": ELEMENTS}.get(element, (element,))
        return self.elements[atom] in kinds

    def at(self, distance, one, other):
        return any(
            self.is_(one, start) and self.is_(other, end) and hops == distance
            for start in self.bonds
            for end, hops in self.hops(start).items()
        )

    def neighbours(self, atom, element, order=None):
        kinds = self.bonds[atom].items()
        return sum(self.is_(element, near) and order in (None, kind) for near, kind in kinds)

    def hangs_on_ring(self, element):
        return any(
            self.is_(element, atom) and atom not in self.ring_atoms and near in self.ring_atoms
            for atom, near, _ in self.edges
        )

    def answers(self):
        atoms, rings = self.bonds, collections.Counter(one for one, _ in self.ring_bonds)
        return {
            **{f"ring of {size}": size in self.rings for size in range(3, 8)},
            "3 rings or more": len(self.edges) // 2 - len(atoms) + 1 >= 3,
            "fused rings": any(count >= 3 for count in rings.values()),
            "N on a ring": self.hangs_on_ring("N"),
            "C=O in a ring": any(c in self.ring_atoms for c, _ in self.matches("C=O")),
            "amide, O=C-N": bool(self.matches("O=C-N")),
            "ester or acid, O=C-O": bool(self.matches("O=C-O")),
            "tertiary amine": any(
                self.is_("N", a) and self.neighbours(a, "C", 1) == 3 for a in atoms
            ),
            "N 4 bonds from O": self.at(4, "N", "O"),
            "11 bonds across": self.at(11, "*", "*"),
        }

    def correlation(self, one, other, distance):
        """Sum of products of two properties over ordered pairs of atoms at a distance."""
        polarity = {"C": -20, "N": 29, "O": 69, "S": -17, "F": 123, "Cl": 41, "Br": 21}
        properties = {
            "polarity": lambda atom: polarity[self.elements[atom]],
            "hydrogens": lambda atom: self.hydrogens[atom] - 1,
            "pi bonds": lambda atom: sum(2 * order - 2 for order in self.bonds[atom].values()) - 1,
        }
        return sum(
            properties[one](start) * properties[other](end)
            for start in self.bonds
            for end, hops in self.hops(start).items()
            if hops == distance
        )


@pytest.fixture(scope="module")
def slow_molecules():
    graphs = head(400)
    return [
        (SlowMolecule({name: values[row] for name, values in graphs.items()}), targets)
        for row, targets in enumerate(graphs["targets"])
    ]


def test_labels_are_what_a_plain_search_finds(slow_molecules):
    seen = collections.Counter()
    for molecule, targets in slow_molecules:
        answers = molecule.answers()
        assert list(answers) == list(ASSAYS)[: len(answers)]
        for (name, answer), target in zip(answers.items(), targets, strict=False):
            assert np.isnan(target) or target == answer, (name, molecule.elements, molecule.edges)
            seen[name, answer] += not np.isnan(target)
    assert min(seen[name, answer] for name in answers for answer in (False, True)) >= 10


def test_correlated_molecules_are_those_above_a_threshold(slow_molecules):
    for task, name in list(enumerate(ASSAYS))[-10:]:
        properties, distance = name.split(" at ")
        one, other = (properties.split(", ") * 2)[:2]
        found = [
            (molecule.correlation(one, other, int(distance)), targets[task])
            for molecule, targets in slow_molecules
        ]
        lowest_positive = min(value for value, target in found if target == 1)
        assert lowest_positive > max(value for value, target in found if target == 0), name


def test_molecules_obey_valences_and_are_connected(slow_molecules):
    valences = dict(zip(ELEMENTS, (4, 3, 2, 2, 1, 1, 1), strict=True))
    for molecule, _ in slow_molecules:
        assert 8 <= len(molecule.elements) <= 24
        assert len(molecule.hops(0)) == len(molecule.elements)
        assert all(molecule.bonds[b][a] == order for a, b, order in molecule.edges)
        assert len({(a, b) for a, b, _ in molecule.edges if a != b}) == len(molecule.edges)
        for atom, bonds in molecule.bonds.items():
            assert molecule.degrees[atom] == len(bonds) <= 4
            used = sum(bonds.values()) + molecule.hydrogens[atom]
            assert molecule.hydrogens[atom] >= 0 and used == valences[molecule.elements[atom]]


def test_padding_is_zero_and_label_rates_are_moderate():
    train = data.examples("train")
    for name, size in (("inputs", "n_node"), ("edges", "n_edge")):
        used = np.arange(train[name].shape[1]) < train[size][:, None]
        np.testing.assert_array_equal(train[name].any(axis=2), used)
    for name in ("senders", "receivers"):
        assert not train[name][~used].any()
    rates, missing = np.nanmean(train["targets"], axis=0), np.isnan(train["targets"])
    assert rates.min() > 0.05 and rates.max() < 0.5
    assert (missing.sum(axis=1) == data.NUM_MISSING).all()
    assert 0.08 < missing.mean(axis=0).min() < 0.15 and 0.3 < missing.mean(axis=0).max() < 0.4


# --- metric and loss --------------------------------------------------------------------------


def by_scikit_learn(scores, targets):
    found = []
    for score, target in zip(scores.T, targets.T, strict=True):
        valid = ~np.isnan(target)
        if len(set(target[valid])) == 2:
            found.append(average_precision_score(target[valid], score[valid]))
    return np.mean(found)


@pytest.mark.parametrize("ties", [False, True])
def test_mean_average_precision_is_scikit_learns(ties):
    random = np.random.default_rng(ties)
    for size in (2, 5, 300):
        scores = random.standard_normal((size, 8)).astype(np.float32)
        scores = np.round(scores) if ties else scores
        targets = (random.random((size, 8)) < 0.3).astype(np.float32)
        targets[random.random(targets.shape) < 0.2] = np.nan
        targets[:, 0], targets[:, 1], targets[:, 2] = np.nan, 1, 0  # none of these counts
        targets[:2, 3] = 0, 1
        expected = by_scikit_learn(scores, targets)
        assert mean_average_precision(scores, targets) == pytest.approx(expected, abs=1e-7)


def test_mean_average_precision_at_its_limits():
    targets = np.array([[0.0], [0.0], [1.0], [np.nan]])
    for scores, expected in (([0, 1, 2, 9], 1.0), ([2, 1, 0, 9], 1 / 3), ([5, 5, 5, 5], 1 / 3)):
        assert mean_average_precision(np.array(scores)[:, None], targets) == pytest.approx(expected)
    assert np.isnan(mean_average_precision(np.zeros((3, 2)), np.full((3, 2), np.nan)))


def test_loss_and_its_gradient_by_hand(workload):
    nan = np.nan
    logits = jnp.array([[2.0, -1.0, 0.5], [0.0, 3.0, -2.0], [1.0, 1.0, 1.0]])
    labels = np.array([[1.0, nan, 0.0], [nan, nan, nan], [0.0, 1.0, 1.0]], np.float32)
    p = 1 / (1 + np.exp(-np.asarray(logits, np.float64)))
    bce = -np.where(labels == 1, np.log(p), np.log(1 - p))
    expected = np.where(np.isnan(labels), 0, bce)
    loss = workload.loss_fn(labels, logits)
    np.testing.assert_allclose(loss["per_example"], expected, rtol=1e-6)
    assert loss["n_valid_examples"] == 5
    assert loss["summed"] == pytest.approx(expected.sum(), rel=1e-6)
    masked = workload.loss_fn(labels, logits, np.array([1.0, 1.0, 0.0]))
    assert masked["n_valid_examples"] == 2
    assert masked["summed"] == pytest.approx(expected[0].sum(), rel=1e-6)
    gradient = jax.grad(lambda x: workload.loss_fn(labels, x)["summed"])(logits)
    np.testing.assert_allclose(gradient, np.where(np.isnan(labels), 0, p - labels), atol=1e-6)
    smooth = workload.loss_fn(labels, logits, None, 0.2)["summed"]
    half = -0.5 * (np.log(p) + np.log(1 - p))
    mixed = np.where(np.isnan(labels), 0, 0.8 * bce + 0.2 * half)
    assert smooth == pytest.approx(mixed.sum(), rel=1e-6)


def test_evaluation_counts_valid_labels_only(workload, params):
    batch = head(64)
    batch["targets"][:3] = np.nan
    outputs = jax.device_get(jax.jit(workload.eval_step)(params, batch, {}, jax.random.key(0)))
    metrics = workload.eval_metrics(outputs)
    loss = jax.device_get(workload.loss_fn(batch["targets"], outputs["logits"]))
    valid = ~np.isnan(batch["targets"])
    guessed = (outputs["logits"] > 0)[valid] == batch["targets"][valid]
    assert metrics["loss"] == pytest.approx(loss["summed"] / valid.sum(), rel=1e-5)
    assert metrics["accuracy"] == pytest.approx(guessed.mean())
    expected = by_scikit_learn(outputs["logits"], batch["targets"])
    assert metrics[workload.target_metric_name] == pytest.approx(expected, abs=1e-6)
    assert not workload.lower_is_better


# --- model ------------------------------------------------------------------------------------


def slow_logits(params, graph, num_steps, num_outputs):
    """The graph network of Battaglia et al. (2018) on one graph, edge by edge, with real sums."""
    nodes, edges = (int(graph[name]) for name in ("n_node", "n_edge"))

    def dense(name, x):
        return np.asarray(x, np.float64) @ params[name]["kernel"] + params[name]["bias"]

    def mlp(name, *parts):
        x = dense(f"dense_{name}", np.concatenate(parts))
        x = (x - x.mean()) / np.sqrt(x.var() + 1e-6)
        norm = params[f"layernorm_{name}"]
        return np.maximum(x * norm["scale"] + norm["bias"], 0)

    v = [dense("node_embedding", x) for x in graph["inputs"][:nodes]]
    e = [dense("edge_embedding", x) for x in graph["edges"][:edges]]
    u = np.zeros(num_outputs)
    ends = list(zip(graph["senders"][:edges], graph["receivers"][:edges], strict=True))
    for step in range(num_steps):
        e = [mlp(f"edge_{step}_0", x, v[s], v[r], u) for x, (s, r) in zip(e, ends, strict=True)]
        sent, received = np.zeros((2, nodes, len(e[0])))
        for x, (s, r) in zip(e, ends, strict=True):
            sent[s] += x
            received[r] += x
        v = [mlp(f"node_{step}_0", *parts, u) for parts in zip(v, sent, received, strict=True)]
        u = mlp(f"global_{step}_0", sum(v), sum(e), u)
    return dense("output", u)


def test_logits_are_those_of_a_loop_over_edges(workload, params):
    batch = head(3)
    got = logits_of(workload, params, batch)
    config = workload.config
    for row in range(3):
        graph = {name: values[row] for name, values in batch.items()}
        expected = slow_logits(params, graph, config.num_steps, config.num_outputs)
        np.testing.assert_allclose(got[row], expected, rtol=2e-3, atol=2e-3)


def test_padding_changes_nothing(workload, params):
    batch = head(5)
    garbage = {name: values.copy() for name, values in batch.items()}
    for row in range(5):
        nodes, edges = batch["n_node"][row], batch["n_edge"][row]
        garbage["inputs"][row, nodes:] = 7
        garbage["edges"][row, edges:] = 3
        garbage["senders"][row, edges:] = 1
        garbage["receivers"][row, edges:] = 2
    wider = {
        name: np.pad(values, ((0, 0), (0, 5), (0, 0))[: values.ndim])
        if name not in ("n_node", "n_edge", "targets")
        else values
        for name, values in batch.items()
    }
    expected = logits_of(workload, params, batch)
    np.testing.assert_array_equal(expected, logits_of(workload, params, garbage))
    np.testing.assert_allclose(expected, logits_of(workload, params, wider), rtol=1e-4, atol=1e-4)


def test_graphs_of_a_batch_do_not_see_each_other(workload, params):
    batch, order = head(6), np.array([3, 0, 5, 1, 4, 2])
    moved = {name: values[order] for name, values in batch.items()}
    moved["inputs"][0, 0] += 1  # of another graph than the rest
    got = logits_of(workload, params, moved)
    expected = logits_of(workload, params, batch)[order]
    np.testing.assert_allclose(got[1:], expected[1:], rtol=1e-4, atol=1e-4)
    assert not np.allclose(got[0], expected[0], rtol=1e-3)


def shallow(name):
    """A workload with one step of message passing, which compiles fast."""
    workload = workloads.load(name)
    return dataclasses.replace(workload, config=dataclasses.replace(workload.config, num_steps=1))


def test_variants_change_the_function():
    batch, base = head(4), shallow("ogbg")
    params = params_of(base)
    expected = logits_of(base, params, batch)
    for name in ("ogbg_gelu", "ogbg_silu"):
        assert not np.allclose(logits_of(shallow(name), params, batch), expected, atol=1e-3)
    smaller = shallow("ogbg_model_size")
    assert np.isfinite(logits_of(smaller, params_of(smaller), batch)).all()
    assert jax.tree.structure(smaller.param_shapes) != jax.tree.structure(base.param_shapes)


def test_dropout_is_traced_and_only_in_training():
    batch, base, rates = head(4), shallow("ogbg"), jnp.array([0.0, 0.1, 0.5])
    params = params_of(base)

    @jax.jit
    def train(rate, seed):
        key = jax.random.key(seed)
        return base.model_fn(params, batch, {}, ForwardPassMode.TRAIN, key, True, rate)[0]

    dropped = [train(rate, 0) for rate in rates]
    evaluated = logits_of(base, params, batch, dropout_rate=0.5)
    by_default = logits_of(base, params, batch, mode=ForwardPassMode.TRAIN)
    np.testing.assert_allclose(dropped[0], evaluated, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(dropped[1], by_default, rtol=1e-3, atol=1e-3)
    assert not np.allclose(dropped[1], dropped[2], atol=1e-2)
    assert not np.allclose(dropped[1], train(rates[1], 1), atol=1e-2)
