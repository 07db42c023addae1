"""Kernels and loops are counted right, in modules of this machine and in lines of a GPU's."""

import jax
import jax.numpy as jnp
import pytest

from tests.device_less import optimized
from tests.device_less.optimized import Loop, Work


def _read(function, *arguments):
    return optimized.read(jax.jit(function).lower(*arguments).compile().as_text())


def test_the_length_of_a_scan_is_known():
    def summed(x):
        return jax.lax.scan(lambda carry, row: (jnp.sin(carry) @ row, None), x, jnp.ones((7, 8, 8)))

    (loop,) = _read(lambda x: summed(x)[0], jnp.ones((8, 8))).loops
    assert loop.trips == 7
    assert loop.body.launches > 0


def test_a_traced_bound_is_a_length_that_nobody_knows():
    def stepped(x, count):
        return jax.lax.fori_loop(0, count, lambda i, x: jnp.sin(x @ x), x)

    (loop,) = _read(stepped, jnp.ones((8, 8)), 3).loops
    assert loop.trips is None


def test_a_loop_inside_a_loop_multiplies():
    inner = Loop(trips=5, body=Work(kernels=2))
    work = Work(kernels=1, loops=(Loop(trips=3, body=Work(kernels=4, loops=(inner,))),))
    assert work.launches == 1 + 3 * (4 + 5 * 2)
    assert [loop.trips for loop in work.each_loop()] == [3, 5]


def test_a_loop_of_unknown_length_counts_once():
    assert Work(kernels=1, loops=(Loop(trips=None, body=Work(kernels=4)),)).launches == 5


# As XLA:GPU writes them: kernels are fused computations, library calls, copies; the rest is names.
_MODULE = """HloModule jit_step, is_scheduled=true

%fused_computation (param_0: f32[8]) -> f32[8] {
  %param_0 = f32[8]{0} parameter(0)
  ROOT %sine.1 = f32[8]{0} sine(%param_0)
}

%refreshed (arg.1: f32[8]) -> f32[8] {
  %arg.1 = f32[8]{0} parameter(0)
  %fusion.7 = f32[8]{0} fusion(%arg.1), kind=kLoop, calls=%fused_computation
  ROOT %fusion.8 = f32[8]{0} fusion(%fusion.7), kind=kLoop, calls=%fused_computation
}

%kept (arg.2: f32[8]) -> f32[8] {
  ROOT %arg.2 = f32[8]{0} parameter(0)
}

%wrapped (arg.3: f32[8]) -> f32[8] {
  %arg.3 = f32[8]{0} parameter(0)
  ROOT %sort.1 = f32[8]{0} sort(%arg.3), dimensions={0}, to_apply=%compare
}

ENTRY %main.9 (Arg_0.1: f32[8], Arg_1.2: s32[]) -> (f32[8], f32[8]) {
  %Arg_0.1 = f32[8]{0} parameter(0)
  %Arg_1.2 = s32[] parameter(1)
  %fusion = f32[8]{0} fusion(%Arg_0.1), kind=kLoop, calls=%fused_computation
  %dot.1 = (f32[8]{0}, s8[64]{0}) custom-call(%fusion), custom_call_target="__cublas$gemm"
  %get-tuple-element = f32[8]{0} get-tuple-element(%dot.1), index=0
  %some = f32[8]{0} conditional(%Arg_1.2, %fusion, %fusion), branch_computations={%kept, %refreshed}
  %copy-start = (f32[8]{0}, f32[8]{0}, u32[]) copy-start(%some)
  %copy-done = f32[8]{0} copy-done(%copy-start)
  %dynamic-update-slice.1 = f32[8]{0} dynamic-update-slice(%copy-done, %fusion, %Arg_1.2)
  %call = f32[8]{0} call(%dynamic-update-slice.1), to_apply=%wrapped
  ROOT %tuple = (f32[8]{0}, f32[8]{0}) tuple(%call, %get-tuple-element)
}
"""


def test_kernels_are_what_is_launched():
    # fusion, product, the dearer branch's two, copy, update of a slice, sort
    assert optimized.read(_MODULE) == Work(kernels=7)


def test_a_text_of_something_else_is_refused():
    with pytest.raises(ValueError, match="no ENTRY"):
        optimized.read("module @jit_step {\n}")
