"""The one place where Numba is told how to compile, and where its cache is kept honest.

    @inner      a function that other kernels call; compiled into its callers
    @kernel     a function that Python calls; parallel, and kept on disk once compiled

Flags: `contract` lets a product and a sum become one FMA, `reassoc`, `arcp` and `nsz` let a sum be split over vector lanes.
The flags that assume away infinity and NaN are left out: a masked score is -inf (DESIGN: rules of numbers).
With NUMBA_DISABLE_JIT=1 both decorators hand back the plain function: slow, right, and open to a debugger.

Numba's cache looks at the file of a function alone, and would keep a kernel whose callee in another file has changed
(https://numba.readthedocs.io, "Notes on Caching"). Here a kernel's stamp is the hash of every file of this package.
"""

import hashlib
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numba

DISABLED = bool(numba.config.DISABLE_JIT)
FLAGS = {"contract", "reassoc", "arcp", "nsz"}
KERNELS: list = []  # every @kernel, in the order of definition: warmup.py counts them


def inner(function: Callable) -> Callable:
    """Compile a function that kernels call."""
    return numba.njit(fastmath=FLAGS, error_model="numpy", forceinline=True)(function)


def part(function: Callable) -> Callable:
    """As inner, for a large piece: called, not copied into every place that calls it, which would only cost time to compile."""
    compiled = numba.njit(fastmath=FLAGS, error_model="numpy")(function)
    return compiled


def exact(function: Callable) -> Callable:
    """As inner, but sums stay as written: for the tricks of rounding that `reassoc` would undo."""
    return numba.njit(fastmath={"contract"}, error_model="numpy", forceinline=True)(function)


def kernel(function: Callable) -> Callable:
    """Compile a parallel function that Python calls, and keep it in Numba's cache."""
    options = {"fastmath": FLAGS, "error_model": "numpy", "parallel": True}
    try:
        compiled = numba.njit(cache=True, **options)(function)
        _stamp(compiled)
    except (RuntimeError, OSError, AttributeError) as error:
        if not KERNELS:  # say it once
            warnings.warn(f"kernels: compiled code cannot be kept ({error}); every start compiles anew", stacklevel=2)
        compiled = numba.njit(**options)(function)
    KERNELS.append(compiled)
    return compiled


def sources_hash() -> str:
    """A hash of every source file of this package, and of the settings that change what is compiled."""
    digest = hashlib.sha256(os.environ.get("MINIGPT_TILE", "").encode())
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def cache_directory() -> str | None:
    """Where compiled kernels are kept, or None where they are not."""
    for compiled in KERNELS:
        path = getattr(getattr(compiled, "stats", None), "cache_path", None)
        if path:
            return path
    return None


def _stamp(compiled: Callable) -> None:
    """Give the kernel's cache our stamp in place of its file's date."""
    if not DISABLED:
        compiled._cache._cache_file._source_stamp = _STAMP


_STAMP = sources_hash()
