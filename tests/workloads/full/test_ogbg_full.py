"""ogbg at full scale: two forms on disk, bins as jraph fills them, one answer of the model."""

import concurrent.futures
import dataclasses
import gzip

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import workloads
from algoperf_lite.data.feed import Feed, Order
from algoperf_lite.data.keys import RowKeys, Stream
from algoperf_lite.data.source import DataError
from algoperf_lite.spec import ForwardPassMode
from tests.workloads.full import file_damages, tfds_folders
from tests.workloads.full.ogbg_files import NUM, TASKS, molecules, write_csv, write_tfds
from workloads.ogbg import bins, full
from workloads.ogbg.model import GraphNetConfig

pytest.importorskip("google_crc32c")

KEYS = RowKeys(0, Stream.TRAIN, 0)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("tfds")
    write_tfds(root)
    return root


def one(source, graph, width=3):
    picks = np.full((1, width), bins.NO_GRAPH)
    picks[0, 0] = graph
    return {name: values[0] for name, values in source.rows(picks, KEYS).items()}


@pytest.mark.parametrize("form", ["records", "csv"])
def test_each_form_holds_what_was_written(tmp_path, form):
    if form == "csv":
        pytest.importorskip("pyarrow")
        write_csv(tmp_path)
    else:
        write_tfds(tmp_path)
    assert full.missing(tmp_path) == []
    for split, graphs in molecules().items():
        source = full.source(tmp_path, split)
        assert source.num_examples == NUM[split]
        for number, graph in enumerate(graphs):
            row = one(source, number)
            n, m = graph["num_nodes"][0], graph["num_edges"][0]
            assert (row["n_node"].tolist(), row["n_edge"].tolist()) == (
                [n, 79 - n, 0, 0], [2 * m, 168 - 2 * m, 0, 0]
            )  # fmt: skip
            np.testing.assert_array_equal(row["inputs"][:n], graph["node_feat"])
            np.testing.assert_array_equal(row["edges"][:m], graph["edge_feat"])
            np.testing.assert_array_equal(row["edges"][m : 2 * m], graph["edge_feat"])
            there, back = graph["edge_index"].T
            np.testing.assert_array_equal(row["senders"][: 2 * m], [*there, *back])
            np.testing.assert_array_equal(row["receivers"][: 2 * m], [*back, *there])
            np.testing.assert_array_equal(row["targets"][0], graph["labels"])
            assert np.isnan(row["targets"][1:]).all() and row["n_graph"] == 1
            assert (row["senders"][2 * m :] == n).all() and not row["inputs"][n:].any()


def test_a_bin_holds_its_graphs_one_after_the_other(root):
    source = full.source(root, "train")
    plan = source.plan(seed=1, batch_size=16)
    picks = plan.picks(3)
    assert picks.shape == (bins.bins_of(16, 39, 88).number, 16 // len(picks))
    rows = source.rows(picks, KEYS)
    for number, row in enumerate(picks):
        node = edge = 0
        for at, graph in enumerate(row[row >= 0]):
            alone = one(source, graph)
            n, m = alone["n_node"][0], alone["n_edge"][0]
            assert (rows["n_node"][number, at], rows["n_edge"][number, at]) == (n, m)
            for name, start, size, shift in (
                ("inputs", node, n, 0), ("edges", edge, m, 0),
                ("senders", edge, m, node), ("receivers", edge, m, node),
            ):  # fmt: skip
                np.testing.assert_array_equal(
                    rows[name][number, start : start + size], alone[name][:size] + shift
                )
            np.testing.assert_array_equal(rows["targets"][number, at], alone["targets"][0])
            node, edge = node + n, edge + m
    for name, total in (("n_node", rows["inputs"]), ("n_edge", rows["edges"])):
        assert (rows[name].sum(axis=1) == total.shape[1]).all()


def slow_bins(nodes, edges, size):
    """`jraph.dynamically_batch`, graph by graph."""
    found, open_bin = [], []
    for graph in range(len(nodes)):
        grown = [*open_bin, graph]
        is_over = (
            sum(nodes[i] for i in grown) > size.nodes
            or sum(edges[i] for i in grown) > size.edges
            or len(grown) > size.graphs
        )
        if is_over:
            found.append(open_bin)
            open_bin = []
        open_bin.append(graph)
    return [*found, open_bin]


GRAPHS = st.lists(st.tuples(st.integers(1, 52), st.integers(0, 112)), min_size=1, max_size=60)


@given(graphs=GRAPHS, size=st.integers(2, 6))
def test_bins_are_filled_as_jraph_fills_them(graphs, size):
    nodes, edges = np.array(graphs).T
    size = bins.Bins(1, size)
    found = bins.borders(nodes, edges, size)
    expected = slow_bins(nodes.tolist(), edges.tolist(), size)
    assert [list(range(a, b)) for a, b in zip(found[:-1], found[1:], strict=True)] == expected


@settings(max_examples=20)
@given(graphs=GRAPHS, number=st.sampled_from([1, 2, 8]), seed=st.integers(0, 99))
def test_a_stream_of_epochs_shows_each_graph_once_in_each(graphs, number, seed):
    nodes, edges = np.array(graphs).T
    plan = bins.TrainBins(nodes, edges, bins.Bins(number, 3), seed)
    steps = range(3 * len(nodes) // number + 3)
    picks = {t: plan.picks(t) for t in [*steps[::-1]]}
    seen = np.concatenate([picks[t][picks[t] >= 0] for t in steps])
    whole = seen[: len(seen) // len(nodes) * len(nodes)].reshape(-1, len(nodes))
    assert len(whole) >= 3
    np.testing.assert_array_equal(np.sort(whole), np.tile(np.arange(len(nodes)), (len(whole), 1)))
    again = bins.TrainBins(nodes, edges, bins.Bins(number, 3), seed)
    np.testing.assert_array_equal(again.picks(len(steps) - 1), picks[len(steps) - 1])


def test_a_pass_has_every_graph_once_and_in_order(root):
    source = full.source(root, "validation")
    plan = source.eval_plan(24)
    picks = [plan.picks(t) for t in range(plan.num_batches)]
    assert len({part.shape for part in picks}) == 1
    found = np.concatenate(picks)
    np.testing.assert_array_equal(found[found >= 0], np.arange(NUM["validation"]))
    weights = np.concatenate([plan.weights(t) for t in range(plan.num_batches)])
    np.testing.assert_array_equal(weights > 0, (found >= 0).any(axis=1))
    with pytest.raises(IndexError):
        plan.picks(plan.num_batches)


def test_algoperf_sees_three_quarters_of_a_split_of_its_size():
    # The facts: of 43,793 graphs eight devices fill eleven bins, of which eight are seen.
    nodes = np.full(43_793, 25)
    seen = bins.seen_by_algoperf(nodes, 2 * nodes, full.EVAL_BATCH_SIZE)
    assert seen == 32_768
    assert bins.seen_by_algoperf(nodes[:100], nodes[:100], full.EVAL_BATCH_SIZE) == 100
    # Of large graphs a bin holds fewer than 4,096.
    assert (
        bins.seen_by_algoperf(2 * nodes, nodes, full.EVAL_BATCH_SIZE) == 8 * (26 * 4096 // 50) * 2
    )


def test_batches_are_shared_by_as_many_bins_as_hold_the_largest_graph():
    assert bins.bins_of(512, 332, 732) == bins.Bins(8, 64)
    assert bins.bins_of(32, 332, 732) == bins.Bins(2, 16)
    with pytest.raises(ValueError, match="batch size 8 has room for 208 nodes .* at least 14"):
        bins.bins_of(8, 332, 732)


def test_any_split_of_picks_and_two_threads_give_the_same_rows(root):
    source = full.source(root, "train")
    picks = source.plan(0, 16).picks(1)
    whole = source.rows(picks, KEYS)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(lambda row: source.rows(row[None], KEYS), picks))
    for name, values in whole.items():
        np.testing.assert_array_equal(values, np.concatenate([part[name] for part in parts]))
    assert full.source(root, "train").fingerprint() == source.fingerprint()


@pytest.mark.parametrize("workers", [1, 3])
def test_a_feed_of_any_number_of_workers_gives_the_same_bins(root, workers):
    source = full.source(root, "train")
    for plan in (source.plan(0, 16), source.eval_plan(16)):
        order = Order(plan, seed=0)
        with Feed(source, order, 0) as plain, Feed(source, order, workers) as threaded:
            for t in (1, 0, 2):
                expected = plain.get(t)
                for name, values in threaded.get(t).items():
                    np.testing.assert_array_equal(values, expected[name])


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-4), ("bfloat16", 0.1)])
def test_the_model_answers_alike_for_bins_and_for_padded_graphs(root, dtype, tolerance):
    source = full.source(root, "train")
    config = GraphNetConfig(hidden_dim=8, num_steps=2, num_outputs=TASKS, dtype=dtype)
    workload = dataclasses.replace(workloads.load("ogbg", "full"), config=config)
    params, state = jax.jit(workload.init_model_fn)(jax.random.key(0))
    random = np.random.default_rng(0)
    params = jax.tree.map(lambda p: random.normal(0.1, 0.3, p.shape).astype(p.dtype), params)
    forward = jax.jit(
        lambda batch: workload.model_fn(params, batch, state, ForwardPassMode.EVAL, None, False)[0]
    )
    picks = source.plan(0, 16).picks(0)
    batch = source.rows(picks, KEYS)
    logits = np.asarray(forward(batch))
    assert logits.shape == batch["targets"].shape and logits.dtype == np.float32
    # The other form: a graph a row, each padded to the same size.
    chosen = picks[picks >= 0]
    alone = [one(source, graph) for graph in chosen]
    padded = {name: np.stack([row[name] for row in alone])
              for name in ("inputs", "edges", "senders", "receivers")}  # fmt: skip
    for name in ("n_node", "n_edge"):
        padded[name] = np.array([row[name][0] for row in alone])
    same = dict(rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(logits[:, :-1][picks >= 0], forward(padded), **same)
    # A padding graph weighs nothing, and neither does a missing label.
    loss = workload.loss_fn(batch["targets"], logits, np.ones(len(picks), np.float32))
    assert loss["n_valid_examples"] == (~np.isnan(batch["targets"])).sum()
    rows = {"logits": logits, "targets": batch["targets"], "losses": loss["per_example"]}
    rows = {name: np.asarray(values) for name, values in rows.items()}
    metrics = workload.eval_metrics({**rows, "is_algoperfs": batch["is_algoperfs"]})
    assert metrics["mean_average_precision"] == metrics["mean_average_precision_all"]
    half = batch["is_algoperfs"] & (np.arange(len(picks)) < len(picks) // 2)[:, None]
    fewer = workload.eval_metrics({**rows, "is_algoperfs": half})
    first = workload.eval_metrics({name: x[: len(picks) // 2] for name, x in rows.items()})
    assert np.isfinite(first["mean_average_precision"])
    assert fewer["mean_average_precision"] == first["mean_average_precision"]
    assert fewer["mean_average_precision_all"] == metrics["mean_average_precision_all"]


def test_what_is_missing_or_of_another_form_is_said(tmp_path):
    with pytest.raises(DataError, match="no data set 'ogbg_molpcba'"):
        full.source(tmp_path, "train")
    assert "or unpack OGB's archive" in full.missing(tmp_path)[0]
    with pytest.raises(DataError, match="and not 'held_out'"):
        full.source(tmp_path, "held_out")
    folder = write_tfds(tmp_path)
    lost = next(folder.glob("*validation*00001-of*"))
    lost.unlink()
    assert full.missing(tmp_path) == [str(lost)]
    with pytest.raises(DataError, match="1 of 2 files of ogbg_molpcba's split 'validation'"):
        full.source(tmp_path, "validation")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"node_feat": np.zeros(8, np.float32)}, "has 8 numbers of nodes where .1, 9. were"),
        (
            {"node_feat": np.full(9, 0.5, np.float32)},
            "nodes that are not whole numbers of 0 to",
        ),
        ({"edge_index": [0, 1]}, "ends that are not whole numbers of 0 to 0"),
        ({"labels": np.zeros(127, np.float32)}, "127 numbers of labels where .128,. were"),
        ({"labels": [0] * 128}, "'labels' of record 1 of .* is a int64_list"),
    ],
)
def test_records_of_another_form_are_named(tmp_path, change, words):
    good = {
        "num_nodes": [1], "node_feat": np.zeros(9, np.float32), "num_edges": [1],
        "edge_feat": np.zeros(3, np.float32), "edge_index": [0, 0],
        "labels": np.zeros(TASKS, np.float32),
    }  # fmt: skip
    tfds_folders.write(tmp_path, "ogbg_molpcba", {"train": [[good, {**good, **change}]]})
    with pytest.raises(DataError, match=words) as error:
        _ = full.source(tmp_path, "train").graphs
    assert "record 1 of" in str(error.value)


def test_damaged_csv_files_are_named(tmp_path):
    pytest.importorskip("pyarrow")
    write_csv(tmp_path)
    path = tmp_path / "pcba" / "raw" / "node-feat.csv.gz"
    whole = gzip.decompress(path.read_bytes())
    for content, words in (
        (whole[: whole[:-1].rindex(b"\n") + 1], "lines and .* were expected by the lists"),
        (whole.replace(b",", b",,", 1), "has other columns"),
        (whole.replace(b"1", b"x", 1), "has other columns"),
        (b",,,,,,,," + b"\n" + whole.partition(b"\n")[2], "no whole numbers"),
    ):
        path.write_bytes(gzip.compress(content))
        with pytest.raises(DataError, match=f"node-feat.csv.gz .*{words}"):
            _ = full.source(tmp_path, "train").graphs
    path.unlink()
    assert full.missing(tmp_path) == [str(path)]
    with pytest.raises(DataError, match="node-feat.csv.gz is missing"):
        full.source(tmp_path, "train")


def test_checks_read_every_table(tmp_path):
    pytest.importorskip("pyarrow")
    write_csv(tmp_path)
    assert file_damages.found(full, tmp_path, "train") == []
    for name, content in (("edge-feat", b"1,2\n"), ("num-node-list", b"1.5\n")):
        path = tmp_path / "pcba" / "raw" / f"{name}.csv.gz"
        path.write_bytes(gzip.compress(content))
    columns, numbers = file_damages.found(full, tmp_path, "train")
    assert "edge-feat.csv.gz is damaged or has other columns" in columns
    assert "num-node-list.csv.gz has fields that are no whole numbers" in numbers
