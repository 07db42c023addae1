"""The development workload `fashion_mnist`."""
