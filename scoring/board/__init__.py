"""A board: a folder of packs that many people feed, and the site that is built of it."""
