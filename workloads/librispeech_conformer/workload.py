"""Speech recognition with a Conformer; lite hears generated words."""

import dataclasses

from workloads.librispeech import language
from workloads.librispeech.speech import LITE_FRONTEND, SpeechWorkload
from workloads.librispeech_conformer.model import Conformer, ConformerConfig


@dataclasses.dataclass(frozen=True)
class LibrispeechConformer(SpeechWorkload):
    """Tokens of an utterance from its audio, with a Conformer."""

    def model(self) -> Conformer:
        return Conformer(self.config)


SCALES = {
    "lite": LibrispeechConformer(
        name="librispeech_conformer",
        scale="lite",
        config=ConformerConfig(
            frontend=LITE_FRONTEND,
            vocab_size=language.NUM_TOKENS,
            d_model=48,
            num_heads=4,
            num_blocks=2,
            mlp_factor=2,
            subsample_channels=8,
            batch_norm_momentum=0.95,
            remat=False,
        ),
        batch_size=24,
        eval_batch_size=64,
        step_hint=4500,
    ),
    "full": LibrispeechConformer(
        name="librispeech_conformer",
        scale="full",
        config=ConformerConfig(),
        batch_size=256,
        eval_batch_size=256,
        step_hint=76_000,
    ),
}
VARIANTS: dict[str, dict] = {
    "attention_temperature": {"attention_temperature": 1.6},
    "layernorm": {"block_norm": False},
    "gelu": {"gelu": True},
}
