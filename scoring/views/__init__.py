"""Views of a leaderboard: terminal, figures, HTML."""
