"""A board repository: made from a skeleton, and fed with packs that were verified."""
