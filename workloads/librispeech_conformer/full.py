"""LibriSpeech, which both speech workloads read alike."""

from workloads.librispeech.full import NUM_EXAMPLES, checks, missing, source

__all__ = ["NUM_EXAMPLES", "checks", "missing", "source"]
