"""What the families with data sets of small pictures share: `mnist`, `fashion_mnist`, `cifar`."""
