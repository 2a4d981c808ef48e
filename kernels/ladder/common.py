"""What the rungs share: how they are compiled, and the checks of their arguments.

A rung is not a kernel of the package. It is not in kernels.jit.KERNELS, the list of what is
compiled before a training run. Its stamp in Numba's cache covers the files of this folder and those
of kernels/ (why a stamp: kernels/jit.py).
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np

from kernels.jit import DISABLED, FLAGS, sources_hash


def one_thread(function: Callable) -> Callable:
    """Compile a function that Python calls."""
    return _compile(function, parallel=False)


def all_threads(function: Callable) -> Callable:
    """Compile a function whose `prange` is shared among the threads."""
    return _compile(function, parallel=True)


def _compile(function: Callable, parallel: bool) -> Callable:
    options = {"fastmath": FLAGS, "error_model": "numpy", "parallel": parallel, "nogil": True}
    try:
        compiled = numba.njit(cache=True, **options)(function)
        if not DISABLED:
            compiled._cache._cache_file._source_stamp = _STAMP
        return compiled
    except (RuntimeError, OSError, AttributeError):  # no cache folder: kernels.jit has warned
        return numba.njit(**options)(function)


def _stamp() -> str:
    digest = hashlib.sha256(sources_hash().encode())
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


_STAMP = _stamp()


def matrices(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return A (M, K) and B (K, N), float32 and row by row in memory.

    Raises TypeError or ValueError, because compiled code would not notice a mistake.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0] or 0 in a.shape + b.shape:
        raise ValueError(
            f"matmul: a has shape {a.shape} and b {b.shape}, "
            "but they must be (M, K) and (K, N), none of them 0"
        )
    return _float32("matmul", a=a, b=b)


def heads(**arrays: np.ndarray) -> list[np.ndarray]:
    """Return arrays (B, nh, T, hs), all of one shape, as (B nh, T, hs).

    A rung treats all heads of all sequences alike.
    """
    first = next(iter(arrays.values()))
    for name, array in arrays.items():
        if array.ndim != 4 or array.shape != first.shape or 0 in array.shape:
            raise ValueError(
                f"attention: {name} has shape {array.shape}, "
                "but must be (B, nh, T, hs), like the others"
            )
    return [array.reshape(-1, *array.shape[2:]) for array in _float32("attention", **arrays)]


def _float32(function: str, **arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    for name, array in arrays.items():
        if array.dtype != np.float32:
            raise TypeError(
                f"{function}: {name} has dtype {array.dtype}, but the ladder computes in float32"
            )
    return tuple(np.ascontiguousarray(array) for array in arrays.values())
