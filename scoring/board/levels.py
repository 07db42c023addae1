"""The levels of trust in a pack. What found them is elsewhere; here they stand beside results."""

# What stands behind a result, from the least. `verify` gives the first two: the others need a
# machine of whoever judges, set up for it.
LEVELS = {
    "L0": "self-reported: the records agree with themselves, the sources and the benchmark",
    "L1": "replayed here: chosen trials, trained again on this machine, did what was recorded",
    "L2": "isolated and probed",
    "L3": "in a container without network, on secret variants",
}
