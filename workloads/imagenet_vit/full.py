"""ImageNet as AlgoPerf's ViT trains with it and evaluates it."""

import functools

from workloads.imagenet_pictures import full, transforms

# Of the training pictures, as many whole batches are evaluated as validation has.
source = functools.partial(full.source, transform=transforms.augmented, eval_train_size=25 * 2048)
missing, checks = full.missing, full.checks
NUM_EXAMPLES, KEPT = full.NUM_EXAMPLES, full.KEPT
