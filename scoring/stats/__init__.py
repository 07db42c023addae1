"""Statistics of trials: times, profiles, intervals."""
