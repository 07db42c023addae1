"""The ways a trial can train: one module per form."""
