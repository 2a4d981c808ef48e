"""How the kernels are compiled, and how Numba's cache is checked.

    @parallel_kernel   Python calls it; runs on all threads; the compiled code is cached on disk
    @compiled          a kernel calls it; compiled once, as a separate function
    @inlined           a kernel calls it; copied into each caller
    @inlined_exact     as @inlined, but floating-point sums keep their order
    prange             the range of a loop that the threads share

Flags: `contract` lets a product and a sum become one FMA. `reassoc`, `arcp` and `nsz` let a sum be
split over vector lanes. The flags that assume there is no infinity and no NaN are left out, because
a masked score is -inf. With NUMBA_DISABLE_JIT=1 every decorator returns the plain function, which
is slow but works in a debugger.

Numba's cache checks only the file of the kernel. It would keep a kernel whose callee in another
file has changed (https://numba.readthedocs.io, "Notes on Caching"). Here a kernel's stamp is the
hash of every file of this package. A damaged cache file would end every start with an error or a
crash. Here such a kernel is compiled again and the file is replaced.
"""

import hashlib
import os
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path

import numba
from numba.core.caching import IndexDataCacheFile

from kernels.threads import in_turn

DISABLED = bool(numba.config.DISABLE_JIT)
FLAGS = {"contract", "reassoc", "arcp", "nsz"}
KERNELS: list = []  # every @parallel_kernel, in the order of definition
prange = range if DISABLED else numba.prange


def inlined(function: Callable) -> Callable:
    """Compile a small function into every kernel that calls it."""
    return numba.njit(fastmath=FLAGS, error_model="numpy", forceinline=True)(function)


def inlined_exact(function: Callable) -> Callable:
    """As inlined; floating-point sums keep the order in which they are written."""
    return numba.njit(fastmath={"contract"}, error_model="numpy", forceinline=True)(function)


def compiled(function: Callable) -> Callable:
    """Compile a large function that kernels call.

    Copying it into every caller would only take longer to compile.
    """
    return numba.njit(fastmath=FLAGS, error_model="numpy")(function)


def parallel_kernel(function: Callable) -> Callable:
    """Compile a parallel function that Python calls, and cache it on disk."""
    options = {"fastmath": FLAGS, "error_model": "numpy", "parallel": True}
    try:
        dispatcher = numba.njit(cache=True, **options)(function)
        _check_cache(dispatcher)
    except (RuntimeError, OSError, AttributeError) as error:
        if not KERNELS:  # say it once
            warnings.warn(
                f"kernels: compiled code cannot be kept ({error}); every start compiles again",
                stacklevel=2,
            )
        dispatcher = numba.njit(**options)(function)
    KERNELS.append(dispatcher)
    return dispatcher if DISABLED else in_turn(dispatcher)


def sources_hash() -> str:
    """A hash of all source files of this package and of MINIGPT_TILE."""
    digest = hashlib.sha256(os.environ.get("MINIGPT_TILE", "").encode())
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def cache_directory() -> str | None:
    """The directory of the compiled kernels; None if they are not cached."""
    for dispatcher in KERNELS:
        path = getattr(getattr(dispatcher, "stats", None), "cache_path", None)
        if path:
            return path
    return None


class _CheckedFiles(IndexDataCacheFile):
    """Numba's cache files of one kernel, each preceded by its SHA-256.

    The index (.nbi) names a file of machine code (.nbc) for each signature. If a file is missing,
    Numba compiles the kernel and writes the file again. A damaged file counts as missing, because
    unpickling it could run anything.
    """

    def _digest(self, content: bytes) -> bytes:
        return hashlib.sha256(self._version.encode() + content).digest()  # Numba's version

    def _dump(self, value: object) -> bytes:
        content = super()._dump(value)
        return self._digest(content) + content

    def _load_data(self, name: str) -> object:
        content = Path(self._data_path(name)).read_bytes()
        if content[:32] != self._digest(content[32:]):
            raise OSError(f"{name}: its bytes have changed")  # Numba takes an OSError for a miss
        return pickle.loads(content[32:])

    def _save_index(self, overloads: dict) -> None:
        self._save_data(self._index_name, (self._source_stamp, overloads))

    def _load_index(self) -> dict:
        try:
            stamp, overloads = self._load_data(self._index_name)
        except OSError:
            return {}
        return overloads if stamp == self._source_stamp else {}


def _check_cache(dispatcher: Callable) -> None:
    """Make the kernel's cache use checked files and our stamp."""
    if not DISABLED:
        cache = dispatcher._cache
        name = cache._cache_file._index_name.removesuffix(".nbi")
        cache._cache_file = _CheckedFiles(cache.cache_path, name, _STAMP)


_STAMP = sources_hash()
