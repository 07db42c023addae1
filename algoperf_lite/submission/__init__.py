"""Submissions: found, loaded and described."""
