"""The tables of the study, from its findings: {"section", "item", ...} each. Loads no JAX."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from studies.accelerator import published, trials

Finding = Mapping[str, Any]


def tables(found: Sequence[Finding]) -> Iterator[str]:
    """All tables as lines of Markdown, then what failed; sections without findings are left out."""
    parts = {
        "card": _card,
        "full": _full,
        "lite": _lite,
        "populations": _populations,
        "trials": _trials,
    }
    device = next((one["device"] for one in found if "device" in one), "")
    for section, part in parts.items():
        own = [one for one in found if one["section"] == section and "error" not in one]
        if own:
            yield from part(own, device)
            yield ""
    for one in found:
        if "error" in one:
            words = [one["item"], one.get("way"), one.get("batch")]
            yield f"- {one['section']} {' '.join(str(w) for w in words if w)}: {one['error']}"


def _header(*columns: str) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield "|---" * len(columns) + "|"


def _row(*cells: Any) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _card(found: Sequence[Finding], device: str) -> Iterator[str]:
    one = {name: value for finding in found for name, value in finding.items()}
    yield from _header("card", device)
    versions = one.get("versions") or {}
    yield _row("driver", one.get("nvidia_smi") or one.get("driver"))
    yield _row("versions", ", ".join(f"{name} {v}" for name, v in versions.items()))
    for precision, rate in (one.get("tflops") or {}).items():
        yield _row(f"largest product, {precision}", f"{rate:.1f} TFLOP/s")
    if "copied_gb_per_second" in one:
        yield _row("read and written", f"{one['copied_gb_per_second']:.0f} GB/s")
        yield _row("call with 300 arrays", f"{1e6 * one['call_seconds']:.0f} us")
        for way, seconds in one["loop_step_seconds"].items():
            yield _row(f"eight small kernels, {way}", f"{1e6 * seconds:.0f} us")


def _full(found: Sequence[Finding], device: str) -> Iterator[str]:
    yield from _header(
        *("workload", "batch", "precision", "native s", "bare s", "ratio", "TFLOP/s", "MFU"),
        *("temporary GB", "peak GB", "trace, compile s", "AlgoPerf s", "times as fast"),
    )
    native = [one for one in found if one["way"] == "native"]
    bare = {(one["item"], one["batch"]): one["seconds"] for one in found if one["way"] == "bare"}
    for one in sorted(native, key=lambda one: (one["item"], one["share"])):
        yield _full_row(one, bare.get((one["item"], one["batch"])), device)


def _full_row(one: Finding, bare: float | None, device: str) -> str:
    seconds = one["seconds"]
    return _row(
        one["item"].partition(":")[0],
        one["batch"],
        one["precision"],
        f"{seconds:.4f}" if one["finite"] else f"{seconds:.4f} (not finite)",
        "" if bare is None else f"{bare:.4f}",
        "" if bare is None else f"{seconds / bare:.3f}",
        *_arithmetic(one, device),
        f"{one['temp_gb']:.1f}",
        "" if one["peak_gb"] is None else f"{one['peak_gb']:.1f}",
        f"{one['trace_seconds']:.0f}, {one['compile_seconds']:.0f}",
        *_beside_algoperf(one),
    )


def _arithmetic(one: Finding, device: str) -> tuple[str, str]:
    if one["flops"] is None:
        return "", ""
    rate, peak = one["flops"] / one["seconds"], published.peak_flops(device, one["precision"])
    return f"{rate / 1e12:.1f}", "" if peak is None else f"{rate / peak:.0%}"


def _beside_algoperf(one: Finding) -> tuple[str, str]:
    if one["flops"] is None:
        return "", ""
    theirs = published.ALGOPERF_SECONDS[one["item"].partition(":")[0]]
    return f"{theirs:.3f}", f"{theirs / one['seconds']:.1f}"


def _lite(found: Sequence[Finding], device: str) -> Iterator[str]:
    del device
    ways = list(found[0]["seconds"])
    yield from _header(
        *("workload", *(f"{way} ms" for way in ways), "fastest", "of bare"),
        *("step hint s", "apart, again", "apart, modes"),
    )
    for one in sorted(found, key=lambda one: one["item"]):
        modes = [value for name, value in one["apart"].items() if name != "again"]
        yield _row(
            one["item"],
            *(f"{1e3 * one['seconds'][way]:.3f}" for way in ways),
            one["fastest"],
            f"{one['overhead']:.3f}",
            f"{one['budget_seconds']:.2f}",
            f"{one['apart']['again']:.1g}",
            f"{max(modes):.1g}",
        )


def _populations(found: Sequence[Finding], device: str) -> Iterator[str]:
    del device
    # JSON has made the sizes text.
    sizes = sorted({int(size) for one in found for size in one["seconds"]})
    yield from _header("ms per step and member", *(f"{size} together" for size in sizes))
    for one in found:
        seconds = {int(size): value for size, value in one["seconds"].items()}
        cells = (f"{1e3 * seconds[size]:.4f}" if size in seconds else "" for size in sizes)
        yield _row(one["item"], *cells)


def _trials(found: Sequence[Finding], device: str) -> Iterator[str]:
    del device
    parts = list(trials.PARTS)
    yield from _header("experiment", "wall s", *(f"{part} s" for part in parts), "trials")
    for one in found:
        each = (
            f"{trial['workload']} {status} after {trial['steps']} steps of "
            f"{1e3 * trial['seconds_per_step']:.3f} ms ({trial['stepping'].get('mode')})"
            for trial, status in zip(one["trials"], one["statuses"], strict=True)
        )
        seconds = (f"{one['parts'][part]:.1f}" for part in parts)
        yield _row(one["item"], f"{one['wall']:.1f}", *seconds, "; ".join(dict.fromkeys(each)))
