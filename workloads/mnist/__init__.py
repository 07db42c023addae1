"""The development workload `mnist`."""
