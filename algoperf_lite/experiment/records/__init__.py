"""Experiments as records that others can take, put together and verify."""
