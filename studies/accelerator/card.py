"""Section "card": what the device is, and the rates that everything else is held against."""

import statistics
import subprocess
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp

from algoperf_lite.machine import fingerprint
from studies.accelerator.findings import Say

_NVIDIA = "name,driver_version,memory.total,power.limit,clocks.max.sm"
_STATE_LEAVES = 300  # about a transformer's with its optimizer
_LOOP_STEPS = 64


def prepare(item: str, tiny: bool, say: Say) -> Callable[[], None]:
    """Says what the device is; returns what measures its rates."""
    del item
    device, known = jax.devices()[0], fingerprint.fingerprint()
    say(
        device=device.device_kind,
        platform=device.platform,
        num_devices=len(jax.devices()),
        driver=known["driver"],
        versions=known["versions"],
        key=known["key"],
        nvidia_smi=_nvidia_smi(),
        bytes_limit=(device.memory_stats() or {}).get("bytes_limit"),
    )

    def measure() -> None:
        size = 256 if tiny else 8192
        say(
            tflops={
                "bfloat16": _product_flops(size, jnp.bfloat16, None) / 1e12,
                "tf32": _product_flops(size, jnp.float32, "tensorfloat32") / 1e12,
                "float32": _product_flops(size, jnp.float32, "highest") / 1e12,
            },
            copied_gb_per_second=_copied_bytes_per_second(4 * size**2) / 1e9,
            call_seconds=_call_seconds(),
            loop_step_seconds=_loop_step_seconds(),
        )

    return measure


def _nvidia_smi() -> str | None:
    """NVIDIA's line about the card; None where there is no such program."""
    command = ["nvidia-smi", f"--query-gpu={_NVIDIA}", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _seconds(run: Callable[[], object]) -> float:
    """Median seconds of a call that leaves its result on the device; the first is not counted."""
    jax.block_until_ready(run())
    found = []
    for _ in range(7):
        began = time.perf_counter()
        jax.block_until_ready(run())
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def _product_flops(size: int, dtype: jnp.dtype, precision: str | None) -> float:
    """Operations per second of a product of random matrices: zeros would draw less power."""
    a, b = (jax.random.normal(jax.random.key(i), (size, size), dtype) for i in range(2))
    product = jax.jit(lambda a, b: jnp.matmul(a, b, precision=precision))
    return 2 * size**3 / _seconds(lambda: product(a, b))


def _copied_bytes_per_second(size: int) -> float:
    """Bytes read and written per second where that is all there is to do."""
    x = jnp.ones(size, jnp.float32)
    add = jax.jit(lambda x: x + 1)
    return 2 * x.nbytes / _seconds(lambda: add(x))


def _call_seconds() -> float:
    """What a call of a compiled program costs that takes and gives as many arrays as a state."""
    state = [jnp.zeros(8) for _ in range(_STATE_LEAVES)]
    touch = jax.jit(lambda state: [leaf + 1 for leaf in state])
    return _seconds(lambda: touch(state))


def _loop_step_seconds() -> dict[str, float]:
    """Seconds of eight small kernels: in a loop of known length, in one of a traced length, and
    dispatched by themselves."""
    w, x = jnp.eye(64), jnp.ones((64, 64))

    def body(x: jax.Array) -> jax.Array:
        for _ in range(8):
            x = jnp.tanh(x @ w) + 1e-6
        return x

    scan = jax.jit(lambda x: jax.lax.fori_loop(0, _LOOP_STEPS, lambda _, x: body(x), x))
    traced = jax.jit(lambda x, n: jax.lax.fori_loop(0, n, lambda _, x: body(x), x))
    one = jax.jit(body)

    def single() -> jax.Array:
        y = x
        for _ in range(_LOOP_STEPS):
            y = one(y)
        return y

    ways = {
        "known length": lambda: scan(x),
        "traced length": lambda: traced(x, _LOOP_STEPS),
        "single": single,
    }
    return {way: _seconds(run) / _LOOP_STEPS for way, run in ways.items()}
