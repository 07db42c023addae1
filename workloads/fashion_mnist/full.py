"""Fashion-MNIST, divided as AlgoPerf divides MNIST; see `workloads.small_pictures.full`."""

from workloads.small_pictures.full import FASHION_MNIST

source, missing = FASHION_MNIST.source, FASHION_MNIST.missing
