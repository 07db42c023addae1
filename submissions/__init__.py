"""Submitted training algorithms, one file each."""
