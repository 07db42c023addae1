"""LibriSpeech, which both speech workloads read alike."""

from workloads.librispeech.full import missing, source

__all__ = ["missing", "source"]
