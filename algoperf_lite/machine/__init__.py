"""This machine: environment, fingerprint, memory."""
