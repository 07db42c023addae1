"""Scoring: directories of training logs in, times to target, profiles and leaderboards out."""

from scoring.benchmark import load as load_benchmark
from scoring.leaderboard import Leaderboard, Row, score, score_trials
from scoring.protocol import Protocol

__all__ = ["Leaderboard", "Protocol", "Row", "load_benchmark", "score", "score_trials"]
