"""Speech recognition with DeepSpeech; lite hears generated words."""

import dataclasses

from workloads.librispeech import language
from workloads.librispeech.speech import LITE_FRONTEND, SpeechWorkload
from workloads.librispeech_deepspeech.model import DeepSpeech, DeepSpeechConfig


@dataclasses.dataclass(frozen=True)
class LibrispeechDeepSpeech(SpeechWorkload):
    """Tokens of an utterance from its audio, with DeepSpeech."""

    def model(self) -> DeepSpeech:
        return DeepSpeech(self.config)


SCALES = {
    "lite": LibrispeechDeepSpeech(
        name="librispeech_deepspeech",
        scale="lite",
        config=DeepSpeechConfig(
            frontend=LITE_FRONTEND,
            vocab_size=language.NUM_TOKENS,
            d_model=64,
            num_lstm_layers=2,
            num_ffn_layers=2,
            subsample_channels=8,
            batch_norm_momentum=0.95,
            remat=False,
        ),
        batch_size=24,
        eval_batch_size=64,
        step_hint=4500,
    ),
    "full": LibrispeechDeepSpeech(
        name="librispeech_deepspeech",
        scale="full",
        config=DeepSpeechConfig(),
        batch_size=256,
        eval_batch_size=256,
        step_hint=38_400,
    ),
}
VARIANTS: dict[str, dict] = {
    "tanh": {"tanh": True},
    "no_resnet": {"residual": False},
    "norm_and_spec_aug": {
        "batch_norm": False,
        "output_norm": False,
        "freq_masks": 4,
        "time_masks": 15,
    },
}
