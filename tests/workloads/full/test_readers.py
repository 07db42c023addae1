"""Readers of all families: what they may load."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
FAMILIES = sorted(path.parent.name for path in (ROOT / "workloads").glob("*/full.py"))


def test_readers_load_neither_jax_nor_what_only_real_data_need():
    # A process that only reads must be small and must not take memory of an accelerator.
    heavy = ("jax", "tensorflow", "torch", "h5py", "pyarrow", "simplejpeg", "sentencepiece")
    program = f"""
import importlib, sys
for family in {FAMILIES}:
    importlib.import_module(f"workloads.{{family}}.full")
sys.exit(", ".join(name for name in {heavy} if name in sys.modules) or None)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
