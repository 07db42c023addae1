"""Rules that are checked by reading a submission's files."""
