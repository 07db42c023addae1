"""The levels of trust in a pack. What found them is elsewhere; here they stand beside results."""

# What stands behind a result, from the least.
LEVELS = {
    "L0": "self-reported: the records agree with themselves, the sources and the benchmark",
    "L1": "replayed here: chosen trials, trained again on this machine, did what was recorded",
    "L2": "probed: and its submissions, run on tiny workloads, did what the rules allow",
    "L3": "tried: and without a network they reached the targets of variants that were drawn",
}
