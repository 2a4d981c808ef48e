"""The environment in which a peer is started.

Settings that make a library faster or slower than its defaults are removed.
"""

import os
from collections.abc import Mapping

# A variable that begins with one of these is removed. They choose a library's kernel
# (OPENBLAS_CORETYPE, ATEN_CPU_CAPABILITY, NUMBA_CPU_NAME, MINIGPT_TILE), its threads
# (OMP_NUM_THREADS, KMP_AFFINITY) or how those wait (OPENBLAS_THREAD_TIMEOUT, OMP_WAIT_POLICY).
PREFIXES = (
    "OPENBLAS_",
    "GOTO_",  # OpenBLAS's older name
    "BLIS_",
    "MKL_",
    "VECLIB_",  # NumPy's BLAS on macOS, if it is Accelerate
    "OMP_",
    "GOMP_",  # GCC's OpenMP
    "KMP_",  # Intel's and LLVM's OpenMP
    "NPY_",  # NumPy's kernels
    "ATEN_",  # PyTorch's kernels
    "TORCH_",
    "DNNL_",  # oneDNN, which PyTorch calls
    "ONEDNN_",
    "NUMBA_",
    "MINIGPT_TILE",
)
KEPT = ("NUMBA_CACHE_DIR",)  # says where compiled code is stored, not how it is compiled


def removed(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables that a peer is started without, with their values."""
    return {
        name: value
        for name, value in sorted(environment.items())
        if name.startswith(PREFIXES) and name not in KEPT
    }


def peer_environment(environment: Mapping[str, str] = os.environ, **more: str) -> dict[str, str]:
    """Return the environment of a peer's process.

    It lacks `removed`, and has what `more` sets.
    """
    gone = removed(environment)
    return {name: value for name, value in environment.items() if name not in gone} | more


def removed_text(gone: Mapping[str, str]) -> str:
    """Return the removed variables as one line of the report."""
    return ", ".join(f"{name}={value[:60]!a}" for name, value in gone.items()) or "none was set"
