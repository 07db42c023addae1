"""Jobs that several hosts run together."""
