"""Training logs as AlgoPerf lays them out, read."""
