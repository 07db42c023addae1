"""CIFAR-10 as AlgoPerf divides it; see `workloads.small_pictures.full`."""

from workloads.small_pictures.full import CIFAR10

source, missing = CIFAR10.source, CIFAR10.missing
