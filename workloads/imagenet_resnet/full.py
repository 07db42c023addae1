"""ImageNet as AlgoPerf's ResNet trains with it and evaluates it."""

import functools

from workloads.imagenet_pictures import full, transforms

# Of the training pictures, as many whole batches are evaluated as validation has.
source = functools.partial(full.source, transform=transforms.random_crop, eval_train_size=49 * 1024)
missing, checks = full.missing, full.checks
NUM_EXAMPLES, KEPT = full.NUM_EXAMPLES, full.KEPT
