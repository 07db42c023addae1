"""Sentences from tokens by SentencePiece; word errors as AlgoPerf counts them, and the true ones.

AlgoPerf compares not texts but what TensorFlow prints of them: each utterance gains two words that
are always right, so its published rates, and its targets, are about a tenth too low.
"""

import dataclasses
import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from algoperf_lite.data import needed
from algoperf_lite.data.source import DataError


@dataclasses.dataclass(frozen=True)
class Sentences:
    """Texts of rows of tokens.

    Attributes:
      model: the file of the SentencePiece model, such as AlgoPerf's "spm_model.vocab".
    """

    model: Path

    @functools.cached_property
    def _processor(self) -> Any:
        with needed.package("sentencepiece", "librispeech"):
            import sentencepiece
        try:
            return sentencepiece.SentencePieceProcessor(model_proto=self.model.read_bytes())
        except (OSError, RuntimeError) as error:
            raise DataError(
                f"cannot read {self.model} as a SentencePiece model ({error}); AlgoPerf's setup of "
                "LibriSpeech makes it"
            ) from error

    def texts(self, tokens: np.ndarray) -> list[str]:
        """Texts of rows of tokens (n, length); zeros and ends of sentences say nothing.

        Raises DataError where the model cannot be read.
        """
        rows = [[int(token) for token in row if token] for row in tokens]
        return self._processor.decode(rows)

    def word_error_rates(self, targets: np.ndarray, decoded: np.ndarray) -> dict[str, float]:
        """{'wer': in AlgoPerf's convention, which targets mean; 'true_wer': of the words said}.

        Args:
          targets, decoded: tokens (n, length), zeros at the end.
        """
        # Loads JAX, which who only looks at texts does without.
        from workloads.librispeech.ctc import word_error_rate

        references, hypotheses = self.texts(targets), self.texts(decoded)
        return {
            "wer": word_error_rate(as_printed(references), as_printed(hypotheses)),
            "true_wer": word_error_rate(references, hypotheses),
        }


def as_printed(texts: Iterable[str]) -> list[str]:
    """Texts as `str` of TensorFlow's string tensors."""
    # Python's bytes change their quotation marks where the text has an apostrophe; there too.
    return [f"tf.Tensor({text.encode()!r}, shape=(), dtype=string)" for text in texts]
