"""What a full-size training step is measured against: AlgoPerf's times, arithmetic, datasheets."""

from algoperf_lite.experiment.data_sets import rates

# Best published seconds per step of AlgoPerf on 4 x A100 at its batch sizes, so that each card
# takes a quarter of the batch.
ALGOPERF_SECONDS = {name: step.seconds for name, step in rates.ALGOPERF.items()}

# Floating-point operations of a step of the reference at the whole batch, nothing recomputed, by
# XLA's count of the program as it is written for a CPU (`full.counted_flops`), which knows no fused
# kernels that hide work. XLA counts a loop's body once, so deepspeech has 499 more frames of its
# recurrences added: 6 layers, and a product forward and two backward.
STEP_FLOPS = {
    "criteo1tb": 3.92e12,
    "fastmri": 3.56e12,
    "finewebedu_lm": 1.0955e14,
    "imagenet_resnet": 2.425e13,
    "imagenet_vit": 2.817e13,
    "librispeech_conformer": 6.07e13,
    "librispeech_deepspeech": 4.83e13,
    "ogbg": 1.97e11,
    "wmt": 2.821e13,
}

# Dense products by datasheet, in operations per second: TF32, and bfloat16.
_PEAKS = {
    "A100": (156e12, 312e12),
    "H100": (495e12, 989e12),
    "H200": (495e12, 989e12),
}


def peak_flops(device_kind: str, precision: str) -> float | None:
    """Operations per second that a device's datasheet gives for products in "tf32" or "bfloat16";
    None for a device that is not known here."""
    for name, (tf32, bfloat16) in _PEAKS.items():
        if name in device_kind:
            return bfloat16 if precision == "bfloat16" else tf32
    return None
