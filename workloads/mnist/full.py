"""MNIST as AlgoPerf divides it; see `workloads.small_pictures.full`."""

from workloads.small_pictures.full import MNIST

source, missing = MNIST.source, MNIST.missing
