"""CIFAR-10 as AlgoPerf divides it; see `workloads.small_pictures.full`."""

from workloads.small_pictures.full import CIFAR10

source, missing, checks = CIFAR10.source, CIFAR10.missing, CIFAR10.checks
NUM_EXAMPLES = CIFAR10.num_examples
