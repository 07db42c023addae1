"""Training on the device: steps, data order, evaluation, the clock."""
