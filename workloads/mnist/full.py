"""MNIST as AlgoPerf divides it; see `workloads.small_pictures.full`."""

from workloads.small_pictures.full import MNIST

source, missing, checks = MNIST.source, MNIST.missing, MNIST.checks
NUM_EXAMPLES = MNIST.num_examples
