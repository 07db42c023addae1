"""The development workload `cifar`."""
