"""Scoring: directories of training logs in, times to target, profiles and leaderboards out."""

# Views are not among them: rich, jinja2 and matplotlib are for those who print, write or draw.
from scoring.benchmark import load as load_benchmark
from scoring.leaderboard import Leaderboard, Row, score, score_trials
from scoring.protocol import Protocol

__all__ = ["Leaderboard", "Protocol", "Row", "load_benchmark", "score", "score_trials"]
