"""Fashion-MNIST, divided as AlgoPerf divides MNIST; see `workloads.small_pictures.full`."""

from workloads.small_pictures.full import FASHION_MNIST

source, missing, checks = FASHION_MNIST.source, FASHION_MNIST.missing, FASHION_MNIST.checks
NUM_EXAMPLES = FASHION_MNIST.num_examples
