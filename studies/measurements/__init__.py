"""Measurements of the harness itself; tables and commands are in README.md."""
