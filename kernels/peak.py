"""The machine's own peak: the register tile on numbers that are already in the L1 cache.

Every product of the kernels is made of this tile (kernels/tile.py), so none can be faster. What
they lose against it is the time for memory, for copying and for what is not a product.
"""

import functools
import time

import numba
import numpy as np

from kernels.jit import DISABLED, FLAGS
from kernels.memory import aligned
from kernels.tile import COLUMNS, ROWS, threads, tile_columns

PANELS = 24 * 1024  # bytes: A's and B's panel together fit a 32 KiB L1 cache
DEPTH = PANELS // (4 * (ROWS + COLUMNS))
A, B, C = ROWS * DEPTH, COLUMNS * DEPTH, ROWS * COLUMNS
SHARE = A + B + C + 64  # floats of each thread, and room so that no two share a cache line
prange = range if DISABLED else numba.prange


def _tiles(numbers, shares, calls):
    """In each share, C += A @ B, `calls` times."""
    for share in prange(shares):
        own = numbers[share * SHARE : (share + 1) * SHARE]
        a, b, c = own[:A], own[A : A + B], own[A + B :]
        for _ in range(calls):
            tile_columns(a, 0, ROWS, b, 0, COLUMNS, c, 0, COLUMNS, c, 0, COLUMNS, DEPTH)


# kept in no cache on disk: the check of that cache does not look at this file
tiles = numba.njit(parallel=True, fastmath=FLAGS, error_model="numpy")(_tiles)


def seconds(numbers: np.ndarray, shares: int, calls: int) -> float:
    """The time of so many calls of the tile in each thread."""
    begun = time.perf_counter()
    tiles(numbers, shares, calls)
    return time.perf_counter() - begun


@functools.cache
def peak_gflops(turn: float = 0.05, rounds: int = 15) -> float:
    """GFLOP/s of all threads together: the best of `rounds` timings, each about `turn` seconds."""
    shares, calls = threads(), 1
    numbers = aligned(shares * SHARE)
    numbers[:] = np.random.default_rng(0).standard_normal(numbers.size, np.float32)
    tiles(numbers, shares, calls)  # compiles
    while seconds(numbers, shares, calls) < turn:
        calls *= 2
    best = min(seconds(numbers, shares, calls) for _ in range(rounds))
    return 2.0 * ROWS * COLUMNS * DEPTH * shares * calls / best / 1e9
