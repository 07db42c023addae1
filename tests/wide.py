"""Double precision, by the name that the installed JAX has for it."""

import jax

# Before 0.8 JAX had it among its experiments alone, and since 0.12 it has it there no more.
double_precision = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64
