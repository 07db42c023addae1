"""The generated speech: a lexicon, splits that share nothing, audio that sounds as it claims."""

import hashlib
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.librispeech import data, language, synthesis
from workloads.librispeech.speech import LITE_FRONTEND

# Of another process; the targets of the benchmark were set on these bytes.
DATA_SHA256 = "33bbf445b4040af4450a0b625c8172cd5bb0b24a463bf24be06a0f0207258831"
PLAIN = synthesis.Manner(tempo=np.ones(1), loudness=np.ones(1), background=np.zeros(1))


def speaker(pitch=110.0, tract=1.0) -> synthesis.Speakers:
    fields = {"pitch": pitch, "tract": tract, "breath": 0.0, "melody": 0.0}
    return synthesis.Speakers(**{k: np.full(1, v, np.float32) for k, v in fields.items()})


def spectrum(letter: str, **voice: float) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies and power of one long phoneme."""
    manner = PLAIN._replace(tempo=np.full(1, 10.0))
    rng = np.random.default_rng(0)
    sounds = np.array([[language.PHONEMES.index(letter)]])
    audio, lengths = synthesis.waveforms(sounds, speaker(**voice), manner, rng)
    signal = audio[0, : lengths[0]].astype(float)
    power = np.abs(np.fft.rfft(signal * np.hanning(len(signal)))) ** 2
    return np.fft.rfftfreq(len(signal), 1 / synthesis.SAMPLE_RATE), power


# --- language and data ------------------------------------------------------------------------


def test_data_are_the_same_bytes_in_every_process():
    digest = hashlib.sha256()
    for split in data.SIZES:
        for name, array in sorted(data.utterances(split).items()):
            digest.update(name.encode() + array.tobytes())
    assert digest.hexdigest() == DATA_SHA256


def test_splits_share_neither_speakers_nor_sequences_of_words():
    said = {split: data.script(split) for split in data.SIZES}
    sequences = {split: set(map(tuple, s.words_NxW.tolist())) for split, s in said.items()}
    speakers = {split: set(s.speakers_N.tolist()) for split, s in said.items()}
    for one, other in itertools.combinations(data.SIZES, 2):
        assert not sequences[one] & sequences[other]
        assert not speakers[one] & speakers[other]
    assert [len(speakers[split]) for split in data.SIZES] == [64, 16, 16]
    # Every word is known from training: it is the sequence that is new.
    words = {split: {w for s in sequences[split] for w in s if w >= 0} for split in sequences}
    assert len(words["train"]) == language.NUM_WORDS >= 100
    assert len(sequences["train"]) > 0.9 * data.SIZES["train"]


def test_all_splits_have_words_and_lengths_alike():
    counts = {split: (data.script(split).words_NxW >= 0).sum(axis=1) for split in data.SIZES}
    lengths = {split: data.utterances(split)["input_lengths"] for split in data.SIZES}
    for found in (counts, lengths):
        expected = found["train"].mean()
        for split in ("validation", "test"):
            error = found["train"].std() / np.sqrt(len(found[split]))
            assert abs(found[split].mean() - expected) < 4 * error


def test_lexicon_is_pronounceable():
    words = language.lexicon()
    assert len(set(words)) == len(words) == language.NUM_WORDS
    assert len(language.PHONEMES) >= 20 and set("".join(words)) == set(language.PHONEMES)
    for word in words:
        assert 2 <= len(word) <= language.MAX_WORD_PHONEMES
        kinds = [letter in language.VOWELS for letter in word]
        assert all(one != other for one, other in itertools.pairwise(kinds)), word


def test_targets_spell_the_words_that_are_spoken():
    words = language.lexicon()
    for split in data.SIZES:
        targets = data.utterances(split)["targets"]
        for row, spoken in zip(targets, data.script(split).words_NxW, strict=True):
            assert language.text(row) == " ".join(words[w] for w in spoken if w >= 0)
    assert targets.max() < language.NUM_TOKENS


@pytest.mark.parametrize("split", data.SIZES)
def test_every_utterance_has_room_for_its_tokens(split):
    utterances = data.utterances(split)
    lengths = utterances["input_lengths"]
    num_frames = LITE_FRONTEND.valid_frames(lengths, synthesis.NUM_SAMPLES)
    num_outputs = np.ceil(np.ceil(num_frames / 2) / 2)
    targets = utterances["targets"]
    # CTC needs a blank between equal neighbours.
    repeats = ((targets[:, 1:] == targets[:, :-1]) & (targets[:, 1:] > 0)).sum(axis=1)
    assert (num_outputs >= (targets > 0).sum(axis=1) + repeats).all()
    assert num_frames.max() == LITE_FRONTEND.num_frames(synthesis.NUM_SAMPLES) == 96


def test_audio_ends_where_its_length_says():
    utterances = data.utterances("validation")
    audio, lengths = utterances["inputs"], utterances["input_lengths"]
    assert audio.dtype == np.int16 and audio.shape[1] == synthesis.NUM_SAMPLES
    after = np.arange(audio.shape[1]) >= lengths[:, None]
    assert not audio[after].any()
    loud = np.abs(audio.astype(np.int32)).max(axis=1)
    assert loud.min() > 1000 and loud.max() < 32767  # neither silent nor clipped
    assert len(np.unique(audio[:, :1000], axis=0)) == len(audio)


@given(st.lists(st.sampled_from(language.lexicon()), max_size=5))
def test_text_is_the_inverse_of_tokens(words):
    padded = [*language.tokens(words), 0, 0]
    assert language.text(padded) == " ".join(words)


def test_useless_separators_make_no_words():
    a, b = language.FIRST_LETTER, language.FIRST_LETTER + 1
    separated = [1, a, 1, 1, b, 1, 0]
    assert language.text(separated) == f"{language.PHONEMES[0]} {language.PHONEMES[1]}"
    assert language.text([1, 1]) == language.text([]) == ""


def test_voice_has_the_pitch_of_its_speaker():
    for pitch in (100.0, 200.0):
        hz, power = spectrum("a", pitch=pitch)
        on = np.abs(hz / pitch - np.round(hz / pitch)) * pitch < 15
        assert power[on].sum() > 0.9 * power.sum()


def test_vowels_ring_at_their_formants_scaled_by_the_tract():
    for letter in language.VOWELS:
        sound = language.SOUNDS[letter][0]
        for tract in (0.85, 1.15):
            hz, power = spectrum(letter, pitch=80.0, tract=tract)
            middle = tract * (sound.formant1 + sound.formant2) / 2
            for formant, of in ((sound.formant1, hz < middle), (sound.formant2, hz >= middle)):
                peak = hz[of][power[of].argmax()]
                # Half a harmonic, and what one utterance differs from another.
                assert abs(peak - tract * formant) < 60 + 0.05 * formant, (letter, tract)


def test_phonemes_sound_as_their_kind():
    def share(letter, low, high):
        hz, power = spectrum(letter)
        return power[(hz >= low) & (hz < high)].sum() / power.sum()

    assert share("s", 1200, 2000) > 0.8 and share("f", 0, 1200) > 0.8
    assert share("m", 0, 600) > 0.7
    manner, rng = PLAIN._replace(tempo=np.full(1, 10.0)), np.random.default_rng(0)
    stop = np.array([[language.PHONEMES.index("t")]])
    audio, lengths = synthesis.waveforms(stop, speaker(), manner, rng)
    closure, burst = np.array_split(audio[0, : lengths[0]].astype(float), 2)
    assert np.abs(closure[: len(closure) // 2]).max() == 0 and burst.std() > 500
