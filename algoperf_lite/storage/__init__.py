"""Files: atomic writes and the cache folder."""
