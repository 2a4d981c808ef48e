"""The one place where Numba is told how to compile, and where its cache is kept honest.

    @inner      a function that other kernels call; compiled into its callers
    @kernel     a function that Python calls; parallel, and kept on disk once compiled

Flags: `contract` lets a product and a sum become one FMA, `reassoc`, `arcp` and `nsz` let a sum be
split over vector lanes. The flags that assume away infinity and NaN are left out: a masked score is
-inf (DESIGN: rules of numbers). With NUMBA_DISABLE_JIT=1 both decorators hand back the plain
function: slow, right, and open to a debugger.

Numba's cache looks at the file of a function alone, and would keep a kernel whose callee in another
file has changed (https://numba.readthedocs.io, "Notes on Caching"). Here a kernel's stamp is the
hash of every file of this package. A damaged file of Numba's cache would end every start with an
error, or crash. Here it is compiled again and replaced.
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
KERNELS: list = []  # every @kernel, in the order of definition: warmup.py counts them


def inner(function: Callable) -> Callable:
    """Compile a function that kernels call."""
    return numba.njit(fastmath=FLAGS, error_model="numpy", forceinline=True)(function)


def part(function: Callable) -> Callable:
    """As inner, for a large piece: called, not copied into every place that calls it, which would
    only cost time to compile.
    """
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
        _check_cache(compiled)
    except (RuntimeError, OSError, AttributeError) as error:
        if not KERNELS:  # say it once
            warnings.warn(
                f"kernels: compiled code cannot be kept ({error}); every start compiles again",
                stacklevel=2,
            )
        compiled = numba.njit(**options)(function)
    KERNELS.append(compiled)
    return compiled if DISABLED else in_turn(compiled)


def sources_hash() -> str:
    """A hash of every source file of this package, and of the settings that change what is
    compiled.
    """
    digest = hashlib.sha256(os.environ.get("MINIGPT_TILE", "").encode())
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def cache_directory() -> str | None:
    """Where compiled kernels are kept, or None if they are not."""
    for compiled in KERNELS:
        path = getattr(getattr(compiled, "stats", None), "cache_path", None)
        if path:
            return path
    return None


class _CheckedFiles(IndexDataCacheFile):
    """Numba's cache files of one kernel, each behind its SHA-256. A damaged file counts as missing.

    The index (.nbi) names a file of machine code (.nbc) for each signature. Where a file is
    missing, Numba compiles and writes it again. Unpickling a damaged one could do anything.
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


def _check_cache(compiled: Callable) -> None:
    """Give the kernel's cache files that are checked, and our stamp in place of its file's date."""
    if not DISABLED:
        cache = compiled._cache
        name = cache._cache_file._index_name.removesuffix(".nbi")
        cache._cache_file = _CheckedFiles(cache.cache_path, name, _STAMP)


_STAMP = sources_hash()
