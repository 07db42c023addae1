"""A look at an experiment while it runs: a live page on this machine, and one for a terminal."""
