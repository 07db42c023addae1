"""A study of one accelerator: what the harness and its workloads do there."""
