"""Double precision, by the name that the installed JAX has for it."""

import jax

# JAX 0.7 has it among its experiments alone, and 0.12 has it there no more.
double_precision = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64
