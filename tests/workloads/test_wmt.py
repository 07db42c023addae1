"""wmt: AlgoPerf's transformer, correct German, packed rows, beam search and BLEU."""

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
import sacrebleu

import workloads
from algoperf_lite.spec import SPLITS, ForwardPassMode, ParameterType
from tests.workloads.dropout_sites import dropout_sites
from workloads.wmt import clauses, data, lexicon, numerals
from workloads.wmt.beam import beam_search, length_penalty
from workloads.wmt.blocks import MLP, Attention
from workloads.wmt.grammar import Draw, counted
from workloads.wmt.model import shift_right, sinusoids

SHAPES = Path(__file__).parents[3] / "shared" / "facts" / "param_shapes"
NUM_PARAMS = {
    "wmt": 133_521_408,
    "wmt_post_ln": 133_517_312,
    "wmt_attention_temp": 133_521_408,
    "wmt_glu_tanh": 146_116_608,
}
CHECKED = {
    "We fall asleep on the fourteenth of August.": "Wir schlafen am vierzehnten August ein.",
    "On Monday morning at six o'clock, my son arrives.": (
        "Am Montagmorgen um sechs Uhr kommt mein Sohn an."
    ),
    "Does the bowl with eight dirty shirts cost one mark?": (
        "Kostet die Schüssel mit acht schmutzigen Hemden eine Mark?"
    ),
    "The box with twelve small apples costs six marks.": (
        "Die Kiste mit zwölf kleinen Äpfeln kostet sechs Mark."
    ),
    "Must my young brother give one apple to Anna in two days?": (
        "Muss mein junger Bruder Anna in zwei Tagen einen Apfel geben?"
    ),
    "Cologne has forty-nine thousand seven hundred and thirty inhabitants.": (
        "Köln hat neunundvierzigtausendsiebenhundertdreißig Einwohner."
    ),
    "Max says that they arrived on the twenty-eighth of September nineteen fifty-four.": (
        "Max sagt, dass sie am achtundzwanzigsten September "
        "neunzehnhundertvierundfünfzig angekommen sind."
    ),
    "Anna hears that Felix gives six balls to Clara on Thursday at twenty-five to seven.": (
        "Anna hört, dass Felix Clara am Donnerstag um fünf nach halb sieben sechs Bälle gibt."
    ),
    "Were they born in Hamburg on the twenty-eighth of November seventeen sixty-seven?": (
        "Wurden sie am achtundzwanzigsten November siebzehnhundertsiebenundsechzig "
        "in Hamburg geboren?"
    ),
    "Peter knows that the trip from Berlin to Hamburg takes nine hours and fifty-four minutes.": (
        "Peter weiß, dass die Fahrt von Berlin nach Hamburg neun Stunden und "
        "vierundfünfzig Minuten dauert."
    ),
}
# Of another process; the targets of the benchmark are set on these bytes.
DATA_SHA256 = "17eb0af1fc17520ffeea65aa425eba56b67a894f5a15e663051206d8e599f4ea"
TINY = {
    "vocab_size": 9,
    "row_len": 16,
    "sentence_len": 6,
    "d_model": 8,
    "mlp_hidden": 8,
    "num_layers": 1,
}


def tiny(name="wmt", **changes):
    workload = workloads.load(name)
    config = dataclasses.replace(workload.config, **{**TINY, **changes})
    return dataclasses.replace(workload, config=config)


def params_of(workload, seed=0, scale=0.6):
    """Arbitrary parameters, much faster than compiling the initialisation."""
    shapes = jax.eval_shape(workload.init_model_fn, jax.random.key(0))[0]
    random = np.random.default_rng(seed)
    return jax.tree.map(
        lambda leaf: jnp.asarray(random.normal(0.1, scale, leaf.shape), leaf.dtype), shapes
    )


def batch_of(workload, size=3, seed=0):
    """Sentences of random lengths, the end included, padded to the longest."""
    cfg, random = workload.config, np.random.default_rng(seed)
    out = {}
    for side in data.SIDES:
        tokens = random.integers(2, cfg.vocab_size, (size, cfg.sentence_len))
        last = random.integers(2, cfg.sentence_len, (size, 1))
        at = np.arange(cfg.sentence_len)
        out[side] = np.where(at < last, tokens, np.where(at == last, data.EOS, data.PAD))
    return out


@functools.partial(jax.jit, static_argnames=("workload", "mode"))
def logits_of(workload, params, batch, mode=ForwardPassMode.EVAL, dropout_rate=None):
    return workload.model_fn(params, batch, {}, mode, jax.random.key(3), True, dropout_rate)[0]


# --- sizes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NUM_PARAMS)
def test_full_scale_has_algoperfs_parameters(name):
    full = workloads.load(name, "full")
    assert full.num_params == NUM_PARAMS[name]
    with pytest.raises(ValueError, match="by --data_dir"):
        full.source("train")
    table = SHAPES / f"{name if name != 'wmt_attention_temp' else 'wmt'}.tsv"
    if not table.exists():
        pytest.skip(f"no table of AlgoPerf's shapes at {table}")
    rows = [line.split("\t")[1:] for line in table.read_text().splitlines() if line[0] != "#"]
    theirs = collections.Counter(
        shape.replace("1024x16x64", "1024x1024").replace("16x64x1024", "1024x1024")
        for _, shape in rows
    )
    ours = (leaf.shape_tuple for leaf in jax.tree.leaves(full.param_shapes))
    assert collections.Counter("x".join(map(str, shape)) for shape in ours) == theirs


def test_parameter_types_and_output_layer():
    workload = workloads.load("wmt_glu_tanh")
    types = workload.model_params_types
    assert types["shared_embedding"]["embedding"] == ParameterType.EMBEDDING
    for stack, attentions in (("encoder", ["self"]), ("decoder", ["self", "cross"])):
        for attention in attentions:
            for module, kind in {"query": "Q", "key": "K", "value": "V", "out": "OUT"}.items():
                found = types[stack][f"{attention}_attention_1"][module]
                assert found == {"kernel": ParameterType[f"ATTENTION_{kind}"]}
        norm = {"scale": ParameterType.LAYER_NORM_SCALE, "bias": ParameterType.LAYER_NORM_BIAS}
        assert types[stack][f"{stack}_layernorm"] == norm
        for module in ("hidden", "gate", "output"):
            dense = {"kernel": ParameterType.WEIGHT, "bias": ParameterType.BIAS}
            assert types[stack]["mlp_0"][module] == dense
    kinds = collections.Counter(jax.tree.leaves(types))
    assert kinds[ParameterType.LAYER_NORM_SCALE] == 12  # 2 x (2 + 3) residuals and two stacks
    assert [key for key in types if workload.is_output_params(key)] == ["shared_embedding"]


# --- language ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "n, english, german",
    [
        (1, "one", "eins"),
        (16, "sixteen", "sechzehn"),
        (21, "twenty-one", "einundzwanzig"),
        (77, "seventy-seven", "siebenundsiebzig"),
        (101, "one hundred and one", "einhunderteins"),
        (1000, "one thousand", "eintausend"),
        (31_030, "thirty-one thousand and thirty", "einunddreißigtausenddreißig"),
        (101_200, "one hundred and one thousand two hundred", "einhunderteintausendzweihundert"),
        (1_200_000, "one million two hundred thousand", "eine Million zweihunderttausend"),
        (3_000_021, "three million and twenty-one", "drei Millionen einundzwanzig"),
    ],
)
def test_cardinals(n, english, german):
    assert [part.replace("|", "") for part in numerals.cardinal(n)] == [english, german]


@pytest.mark.parametrize(
    "pair, english, german",
    [
        (numerals.ordinal(1), "first", "ersten"),
        (numerals.ordinal(3), "third", "dritten"),
        (numerals.ordinal(7), "seventh", "siebten"),
        (numerals.ordinal(12), "twelfth", "zwölften"),
        (numerals.ordinal(19), "nineteenth", "neunzehnten"),
        (numerals.ordinal(20), "twentieth", "zwanzigsten"),
        (numerals.ordinal(31), "thirty-first", "einunddreißigsten"),
        (numerals.year(1984), "nineteen eighty-four", "neunzehnhundertvierundachtzig"),
        (numerals.year(1800), "eighteen hundred", "achtzehnhundert"),
        (numerals.year(1701), "seventeen oh one", "siebzehnhunderteins"),
        (numerals.year(2005), "two thousand and five", "zweitausendfünf"),
        (numerals.clock(1, 0), "at one o'clock", "um ein Uhr"),
        (numerals.clock(4, 30), "at half past four", "um halb fünf"),
        (numerals.clock(5, 45), "at quarter to six", "um Viertel vor sechs"),
        (numerals.clock(12, 30), "at half past twelve", "um halb eins"),
        (numerals.clock(12, 25), "at twenty-five past twelve", "um fünf vor halb eins"),
        (numerals.clock(3, 35), "at twenty-five to four", "um fünf nach halb vier"),
        (numerals.clock(3, 10), "at ten past three", "um zehn nach drei"),
    ],
)
def test_ordinals_years_and_times(pair, english, german):
    assert [part.replace("|", "") for part in pair] == [english, german]


@pytest.mark.parametrize(
    "noun, n, case, english, german",
    [
        ("pound", 1, "acc", "one pound", "ein Pfund"),
        ("euro", 1, "acc", "one red euro", "einen roten Euro"),
        ("crown", 1, "acc", "one red crown", "eine rote Krone"),
        ("apple", 3, "acc", "three apples", "drei Äpfel"),
        ("apple", 3, "dat", "three red apples", "drei roten Äpfeln"),
        ("chair", 21, "nom", "twenty-one red chairs", "einundzwanzig rote Stühle"),
        ("book", 1, "nom", "one red book", "ein rotes Buch"),
        ("apple", 1, "nom", "one red apple", "ein roter Apfel"),
        ("hour", 1, "dat", "one hour", "einer Stunde"),
        ("month", 1, "dat", "one month", "einem Monat"),
        ("year", 5, "dat", "five years", "fünf Jahren"),
        ("pillow", 2, "dat", "two pillows", "zwei Kissen"),
        ("car", 2, "dat", "two cars", "zwei Autos"),
    ],
)
def test_gender_case_and_number_agree(noun, n, case, english, german):
    (words,) = (
        row for row in lexicon.THINGS + lexicon.UNITS + lexicon.CURRENCIES if row[0] == noun
    )
    adjectives = [("red", "rot")] if "red" in english else []
    pair = counted(Draw([0.0, 0.0]), words, case, n, adjectives)
    assert [part.replace("|", "") for part in pair] == [english, german]


@pytest.fixture(scope="module")
def sentences():
    """All pairs of all splits as text, English to German."""
    found = {}
    for split in SPLITS:
        for english, german in zip(*texts(split), strict=True):
            assert found.setdefault(english, german) == german
    return found


def texts(split):
    return [[data.text(row) for row in side.tolist()] for side in data.pairs(split).values()]


def test_sentences_checked_by_hand(sentences):
    assert {english: sentences.get(english) for english in CHECKED} == CHECKED


def test_texts_are_well_formed(sentences):
    for sentence in itertools.chain.from_iterable(sentences.items()):
        assert sentence[0].isupper() and sentence[-1] in ".?" and "  " not in sentence
        assert not set(sentence) & set("▁|_"), sentence


def test_a_key_is_a_function_of_the_sentence_in_either_language():
    uniforms = np.random.default_rng(0).random((3000, 40)).tolist()
    keys = [{}, {}]
    for key, pair in map(clauses.sentence, map(Draw, uniforms)):
        for known, text in zip(keys, pair, strict=True):
            assert known.setdefault(text, key) == key, text


# --- data -------------------------------------------------------------------------------------


def test_data_are_the_same_bytes_in_every_process():
    digest = hashlib.sha256("\n".join(data.vocabulary()).encode())
    for arrays in (data.packed(64), *map(data.pairs, SPLITS)):
        for name, array in sorted(arrays.items()):
            digest.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
    assert digest.hexdigest() == DATA_SHA256


def test_splits_share_no_sentence_in_either_language():
    english, german = zip(*map(texts, SPLITS), strict=True)
    for side in (english, german):
        for one, other in itertools.combinations(map(set, side), 2):
            assert not one & other
    assert len(set(english[0])) == len(english[0]) > 40_000


def test_evaluation_needs_no_token_that_training_lacks():
    workload = workloads.load("wmt")
    assert len(data.vocabulary()) == workload.config.vocab_size
    for side in data.SIDES:
        trained = np.unique(workload.dataset("train")[side])
        for split in ("validation", "test"):
            assert np.isin(workload.eval_dataset(split)[side], trained).all()
            assert len(workload.eval_dataset(split)[side]) == workload.num_eval


def test_packed_rows_hold_every_pair_of_train_once():
    rows = data.packed(64)
    found = []
    for row in range(len(rows["inputs"])):
        segments = [rows[f"{side}_segmentation"][row] for side in data.SIDES]
        for number in range(1, segments[0].max() + 1):
            pair = []
            for side, segment in zip(data.SIDES, segments, strict=True):
                tokens = rows[side][row][segment == number]
                positions = rows[f"{side}_position"][row][segment == number]
                assert (positions == np.arange(len(tokens))).all() and tokens[-1] == data.EOS
                pair.append(tuple(tokens.tolist()))
            found.append(tuple(pair))
    unpacked = (
        tuple(tuple(row[row != data.PAD].tolist()) for row in pair)
        for pair in zip(*data.pairs("train").values(), strict=True)
    )
    assert sorted(found) == sorted(unpacked)
    assert (rows["targets"] != data.PAD).mean() > 0.85  # little is wasted


# --- model ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["wmt", "wmt_post_ln"])
def test_packed_sentences_do_not_see_each_other(name):
    workload = tiny(name)
    params, batch = params_of(workload), batch_of(workload, size=2)
    alone = logits_of(workload, params, batch)
    packed, lengths = {}, {side: (tokens > 0).sum(axis=1) for side, tokens in batch.items()}
    for side, tokens in batch.items():
        parts = [tokens[i, : lengths[side][i]] for i in range(2)]
        for key, values in (
            (side, parts),
            (f"{side}_position", [np.arange(len(part)) for part in parts]),
            (f"{side}_segmentation", [np.full(len(part), i + 1) for i, part in enumerate(parts)]),
        ):
            row = np.concatenate(values)
            packed[key] = np.pad(row, (0, 16 - len(row)))[None]
    together = logits_of(workload, params, packed)[0]
    first, second = lengths["targets"]
    np.testing.assert_allclose(together[:first], alone[0, :first], rtol=1e-4, atol=1e-5)
    # The second sentence starts from the end of the first: as one that is alone would, if the
    # start token looked like that end. The embeddings are the output's weights too, so the logits
    # of the start token, number 0, are left out.
    table = params["shared_embedding"]["embedding"]
    params["shared_embedding"]["embedding"] = table.at[0].set(table[data.EOS])
    expected = logits_of(workload, params, batch)[1, :second, 1:]
    got = together[first : first + second, 1:]
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    assert not np.allclose(got, alone[1, :second, 1:], rtol=1e-2)


def test_a_packed_row_is_shifted_as_a_whole():
    np.testing.assert_array_equal(shift_right(np.array([[5, 6, 1, 7, 1, 0]])), [[0, 5, 6, 1, 7, 1]])


def test_dropout_is_where_algoperf_has_it():
    """Two embeddings; attention, hidden units and the output of the MLP in each of 6 + 6 layers;
    attention to the inputs in 6."""
    tokens = 256 * 1024
    assert dropout_sites(workloads.load("wmt", "full")) == [tokens] * (2 + 12 * 3 + 6)


def test_hidden_units_are_dropped_after_their_activation():
    config, x_BxTxD = tiny(glu=True, activation="tanh").config, np.ones((1, 1, 8), np.float32)
    params = {
        name: {"kernel": np.full((8, 8), weight, np.float32), "bias": np.full(8, 0.1, np.float32)}
        for name, weight in (("hidden", 0.1), ("gate", 0.2), ("output", 1.0))
    }
    # Each of 8 hidden units is tanh(0.9) times its gate of 1.7; four are dropped.
    half = MLP(config).apply({"params": params}, x_BxTxD, lambda h: h * (np.arange(8) < 4))
    np.testing.assert_allclose(half, np.full((1, 1, 8), 4 * np.tanh(0.9) * 1.7 + 0.1), rtol=1e-5)


@pytest.mark.parametrize("name", NUM_PARAMS)
def test_a_target_depends_on_all_inputs_and_on_earlier_targets_only(name):
    workload = tiny(name)
    params, batch = params_of(workload), batch_of(workload)
    batch["targets"] = np.full((3, 6), 3)
    before = logits_of(workload, params, batch)
    later = {**batch, "targets": batch["targets"].copy()}
    later["targets"][:, 3] = 4
    after = logits_of(workload, params, later)
    np.testing.assert_array_equal(before[:, :4], after[:, :4])
    assert not np.allclose(before[:, 4:], after[:, 4:], rtol=1e-3)
    other = {**batch, "inputs": np.where(batch["inputs"] == data.EOS, 5, batch["inputs"])}
    assert (np.abs(before - logits_of(workload, params, other)).max(axis=-1) > 1e-5).all()


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_attention_is_jax_nns_with_scores_times_temperature(temperature):
    config = tiny(attention_temp=temperature).config
    x_BxTxD, y_BxSxD = np.random.default_rng(0).normal(size=(2, 3, 5, 8)).astype(np.float32)
    mask_BxTxS = np.random.default_rng(1).random((3, 5, 5)) < 0.7
    mask_BxTxS[..., 0] = True
    attention = Attention(config)

    def attend(module, x, y):
        return module(x, module.keys_values(y), mask_BxTxS)

    params = attention.init(jax.random.key(0), x_BxTxD, y_BxSxD, method=attend)
    q, k, v = (
        (x @ params["params"][name]["kernel"]).reshape(3, 5, 2, 4)
        for name, x in (("query", x_BxTxD), ("key", y_BxSxD), ("value", y_BxSxD))
    )
    heads = jax.nn.dot_product_attention(
        q, k, v, scale=temperature / 2, mask=mask_BxTxS[:, None]
    ).reshape(3, 5, 8)
    expected = heads @ params["params"]["out"]["kernel"]
    got = attention.apply(params, x_BxTxD, y_BxSxD, method=attend)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_positions_are_fixed_sinusoids():
    table = sinusoids(20, 6)
    assert table.shape == (20, 6)
    for frequency, column in ((1.0, 0), (1e-2, 1), (1e-4, 2)):
        angles = np.arange(20) * frequency
        np.testing.assert_allclose(table[:, column], np.sin(angles), atol=1e-6)
        np.testing.assert_allclose(table[:, column + 3], np.cos(angles), atol=1e-6)


def test_variants_are_other_functions():
    batch = batch_of(tiny())
    params = params_of(tiny("wmt_glu_tanh"))  # has the parameters of all
    found = [logits_of(tiny(name), params, batch) for name in NUM_PARAMS]
    for one, other in itertools.combinations(found, 2):
        assert not np.allclose(one, other, rtol=1e-2)
    scaled = jax.tree_util.tree_map_with_path(
        lambda path, leaf: leaf * (4 if "query" in jax.tree_util.keystr(path) else 1), params
    )
    np.testing.assert_allclose(found[2], logits_of(tiny(), scaled, batch), rtol=1e-3, atol=1e-4)


def test_dropout_rate_may_be_traced_and_evaluation_ignores_it():
    workload = tiny()
    params, batch, train = params_of(workload), batch_of(workload), ForwardPassMode.TRAIN
    of_rate = functools.partial(logits_of, workload, params, batch)
    rates = [0.0, 0.1, 0.5]
    traced = [of_rate(train, jnp.float32(rate)) for rate in rates]
    together = jax.vmap(functools.partial(of_rate, train))(jnp.array(rates))
    np.testing.assert_allclose(together, traced, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(of_rate(train), traced[1], rtol=1e-3, atol=1e-4)  # the default
    np.testing.assert_allclose(of_rate(dropout_rate=0.5), traced[0], rtol=1e-3, atol=1e-4)
    assert not np.allclose(traced[0], traced[1], rtol=1e-2)


# --- loss -------------------------------------------------------------------------------------


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_by_hand(smoothing):
    logits = np.log(np.array([[[0.5, 0.2, 0.3], [0.1, 0.6, 0.3], [0.2, 0.2, 0.6]]]))
    labels = np.array([[2, 1, 0]], np.uint16)
    loss = jax.jit(tiny().loss_fn)(labels, logits, None, smoothing)
    by_token = [
        (1 - smoothing) * np.log(of_label) + smoothing * np.log(probabilities).mean()
        for of_label, probabilities in ((0.3, [0.5, 0.2, 0.3]), (0.6, [0.1, 0.6, 0.3]))
    ]
    np.testing.assert_allclose(loss["per_example"], [[*np.negative(by_token), 0]], rtol=1e-5)
    np.testing.assert_allclose(loss["summed"], -sum(by_token), rtol=1e-5)
    assert loss["n_valid_examples"] == 2


def test_padded_rows_and_tokens_weigh_nothing():
    workload = tiny()
    params, batch = params_of(workload), batch_of(workload)
    logits, labels = logits_of(workload, params, batch), batch["targets"]
    row = np.array([1.0, 0.0, 1.0], np.float32)
    token = np.tile(row[:, None], (1, labels.shape[1]))
    kept = workload.loss_fn(labels[::2], logits[::2])
    for mask in (row, token):
        loss = workload.loss_fn(labels, logits.at[1].set(1e3), mask)
        np.testing.assert_allclose(loss["summed"], kept["summed"], rtol=1e-6)
        assert loss["n_valid_examples"] == kept["n_valid_examples"] == (labels[::2] > 0).sum()


# --- decoding ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NUM_PARAMS)
def test_cached_decoding_gives_the_logits_of_the_whole_forward_pass(name):
    workload = tiny(name)
    params, batch = {"params": params_of(workload)}, batch_of(workload)
    beams_NxWxL = np.random.default_rng(1).integers(2, 9, (3, 2, 6))
    beams_NxWxL[:, 1, :3] = beams_NxWxL[:, 0, :3]  # beam 1 leaves beam 0 after three tokens
    model, inputs = workload.model(), workload.model_inputs(batch)[0]
    encoded = model.apply(params, inputs, method="encode")
    step = jax.jit(functools.partial(model.apply, method="decode_step"))
    cache, visible_NxWxS = model.empty_cache(3, beams=2), np.zeros((3, 2, 12), bool)
    for index in range(6):
        if index == 3:
            visible_NxWxS[:, 1] = visible_NxWxS[:, 0]
        visible_NxWxS[:, [0, 1], [2 * index, 2 * index + 1]] = True
        last = beams_NxWxL[:, :, index - 1] if index else np.zeros((3, 2), np.int32)
        logits_NxWxV, cache = step(params, last, index, visible_NxWxS, cache, encoded)
        for beam in range(2):
            whole = logits_of(
                workload, params["params"], {**batch, "targets": beams_NxWxL[:, beam]}
            )
            np.testing.assert_allclose(logits_NxWxV[:, beam], whole[:, index], rtol=1e-3, atol=1e-4)


def searched(workload, params, batch, beams, alphas):
    """Beam search with the model for each length penalty: hypotheses up to their end."""
    cfg, model = workload.config, workload.model()
    n, inputs = len(batch["inputs"]), workload.model_inputs(batch)[0]

    @jax.jit
    def search(params, alpha):
        encoded = model.apply(params, inputs, method="encode")

        def step(*args):
            return model.apply(params, *args, encoded, method="decode_step")

        cache = model.empty_cache(n, beams)
        return beam_search(step, cache, n, cfg.sentence_len, data.EOS, beams, alpha)

    return [[ended(row) for row in search({"params": params}, a).tolist()] for a in alphas]


def ended(row):
    return row[: row.index(data.EOS) + 1] if data.EOS in row else row


def logits_of_outputs(workload, params, inputs, outputs):
    """Logits of the whole forward pass, where an output may hold any token, even 0."""
    position = np.broadcast_to(np.arange(outputs.shape[1]), outputs.shape)
    batch = {"inputs": inputs, "targets": outputs, "targets_position": position}
    return logits_of(workload, params, {**batch, "targets_segmentation": np.ones_like(outputs)})


def test_one_beam_is_greedy_where_the_end_is_likeliest_or_unlikely():
    """An end that is runner-up counts as a hypothesis of its own, as in AlgoPerf."""
    random = np.random.default_rng(0)
    logits_NxLxVxV = random.normal(size=(50, 6, 5, 5)).astype(np.float32)
    logits_NxLxVxV[..., data.EOS] = np.where(random.random((50, 6, 5)) < 0.2, 9, -9)
    greedy = np.zeros((50, 6), np.int32)
    last = np.zeros(50, np.int32)
    for index in range(6):
        last = greedy[:, index] = logits_NxLxVxV[np.arange(50), index, last].argmax(axis=-1)

    def step(last, index, visible, cache):
        return jnp.asarray(logits_NxLxVxV)[jnp.arange(50)[:, None], index, last], cache

    found = beam_search(step, (), 50, 6, data.EOS, beams=1, alpha=0.0)
    assert [*map(ended, found.tolist())] == [*map(ended, greedy.tolist())]
    assert {len(ended(row)) for row in greedy.tolist()} == set(range(1, 7))


def test_an_end_that_is_runner_up_wins_if_its_sentence_is_likelier():
    step = steps_from({0: {2: 0.6, 1: 0.4}, 2: {3: 0.5, 2: 0.5}, 3: {1: 1.0}})
    assert beam_search(step, (), 1, 3, data.EOS, beams=1, alpha=0.0).tolist() == [[1, 0, 0]]


def test_a_wide_beam_finds_the_best_of_all_sentences():
    workload = tiny(vocab_size=4, sentence_len=4)
    params, batch = params_of(workload, seed=2, scale=1.0), batch_of(workload, size=6)
    candidates = [
        [*start, data.EOS]
        for length in range(4)
        for start in itertools.product((0, 2, 3), repeat=length)
    ]
    lengths = np.array([len(row) for row in candidates])
    outputs = np.array([row + [0] * (4 - len(row)) for row in candidates])
    inputs = np.repeat(batch["inputs"], len(outputs), axis=0)
    logits = logits_of_outputs(workload, params, inputs, np.tile(outputs, (6, 1)))
    log_probs = np.asarray(jax.nn.log_softmax(logits)).reshape(6, len(outputs), 4, 4)
    of_token = np.take_along_axis(log_probs, outputs[None, :, :, None], axis=-1)[..., 0]
    totals = (of_token * (np.arange(4) < lengths[:, None])).sum(axis=-1)
    alphas, found = (0.0, 0.6, 3.0), set()
    for alpha, got in zip(alphas, searched(workload, params, batch, 27, alphas), strict=True):
        best = (totals / ((5 + lengths) / 6) ** alpha).argmax(axis=1)
        assert got == [candidates[index] for index in best], alpha
        found |= set(lengths[best].tolist())
    assert len(found) > 2


def steps_from(table):
    """A model whose next token depends on the last one alone: {last: {token: probability}}."""
    probabilities = np.full((4, 4), 1e-6)
    for last, following in table.items():
        for token, probability in following.items():
            probabilities[last, token] = probability
    return lambda last, index, visible, cache: (jnp.log(probabilities)[last], cache)


def test_the_length_penalty_favours_longer_sentences():
    step = steps_from({0: {1: 0.45, 2: 0.4, 3: 0.15}, 2: {3: 0.99}, 3: {1: 0.99}})
    search = functools.partial(beam_search, step, (), 1, 5, 1)
    assert search(beams=2, alpha=0.0).tolist() == [[1, 0, 0, 0, 0]]
    assert search(beams=2, alpha=1.0).tolist() == [[2, 3, 1, 0, 0]]
    assert length_penalty(7, 0.5) == pytest.approx(2**0.5)


def test_more_beams_recover_what_a_greedy_start_misses():
    step = steps_from({0: {2: 0.6, 3: 0.4}, 2: {1: 0.5, 2: 0.5}, 3: {1: 1.0}})
    for beams, expected in ((1, [2, 1, 0]), (2, [3, 1, 0])):
        assert beam_search(step, (), 1, 3, 1, beams, alpha=0.0).tolist() == [expected]


def test_without_an_end_the_likeliest_hypothesis_is_returned():
    step = steps_from({0: {2: 0.7, 3: 0.3}, 2: {2: 0.9, 3: 0.1}, 3: {3: 1.0}})
    never = functools.partial(beam_search, step, (), 2, 4, end=4)
    assert never(beams=3).tolist() == [[2, 2, 2, 2]] * 2


# --- metrics ----------------------------------------------------------------------------------


def outputs_of(hypotheses, references):
    """As `eval_step` gives them, of token ids."""
    ones = np.ones(len(hypotheses), np.float32)
    tokens = {"translations": np.array(hypotheses), "targets": np.array(references)}
    return {"loss": ones, "accuracy": ones, "tokens": ones, **tokens}


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.5, 1.0])
def test_bleu_is_sacrebleus_of_the_sentences(noise):
    workload, random = workloads.load("wmt"), np.random.default_rng(int(10 * noise))
    references = data.pairs("test", 200)["targets"].astype(np.int64)
    hypotheses = np.where(
        random.random(references.shape) < noise,
        random.integers(0, len(data.vocabulary()), references.shape),  # ends and padding as well
        references,
    )
    if noise:
        hypotheses[:5] = 0  # empty
        hypotheses[5:10, 0] = data.EOS  # empty, garbage after the end
    got = workload.eval_metrics(outputs_of(hypotheses, references))["bleu"]
    texts = [
        ["".join(data.vocabulary()[token] for token in row[: stop(row)]) for row in rows.tolist()]
        for rows in (hypotheses, references)
    ]
    texts = [[text.replace("▁", " ").strip() for text in side] for side in texts]
    texts = [[text[:1].upper() + text[1:] for text in side] for side in texts]
    expected = sacrebleu.BLEU(force=True).corpus_score(texts[0], [texts[1]]).score
    assert got == pytest.approx(expected, abs=1e-9)
    assert (noise == 0) == (got == pytest.approx(100))


def stop(row):
    return next((at for at, token in enumerate(row) if token in (data.PAD, data.EOS)), None)


def test_bleu_of_nothing_is_zero():
    references = data.pairs("test", 20)["targets"]
    metrics = workloads.load("wmt").eval_metrics(outputs_of(np.zeros_like(references), references))
    assert metrics["bleu"] == 0


def test_evaluation_reports_what_beam_search_finds_and_means_per_token():
    workload = workloads.load("wmt")
    config = dataclasses.replace(workload.config, d_model=8, num_layers=1)
    workload = dataclasses.replace(workload, config=config)
    params = params_of(workload)
    batch = {k: v[:4] for k, v in workload.eval_dataset("validation").items()}
    weights = np.array([1, 1, 0, 1], np.float32)
    eval_step = jax.jit(functools.partial(workload.eval_step, model_state={}, rng=None))
    outputs = jax.device_get(eval_step(params, {**batch, "weights": weights}))
    (found,) = searched(workload, params, batch, beams=4, alphas=[0.6])
    for translation, expected in zip(outputs["translations"].tolist(), found, strict=True):
        assert translation[: len(expected)] == expected and not any(translation[len(expected) :])
    metrics = workload.eval_metrics(outputs)
    logits, labels = logits_of(workload, params, batch), batch["targets"].astype(np.int32)
    loss = workload.loss_fn(labels, logits, weights)
    expected = loss["summed"] / loss["n_valid_examples"]
    assert metrics["loss"] == pytest.approx(float(expected), rel=1e-5)
    counted = (labels > 0) & (weights[:, None] > 0)
    correct = (logits.argmax(axis=-1) == labels)[counted].mean()
    assert metrics["accuracy"] == pytest.approx(float(correct), rel=1e-5)
    assert workload.target_metric_name == "bleu" and not workload.lower_is_better
