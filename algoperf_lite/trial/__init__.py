"""One trial: one submission, workload, hyperparameter point and seed."""
