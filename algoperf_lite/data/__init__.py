"""Where batches come from: sources that read, plans that order. Nothing here knows a model."""
