"""This machine's peak: the register tile on numbers in the L1 cache.

Every product of the kernels consists of such tiles (kernels/tile.py), so none can be faster. The
kernels lose time against it to memory, to copying and to arithmetic that is not a product.
"""

import functools
import time

import numba
import numpy as np

from kernels.jit import FLAGS, prange
from kernels.memory import aligned
from kernels.tile import COLUMNS, ROWS, threads, tile_columns

PANELS = 24 * 1024  # bytes: A's and B's panel together fit a 32 KiB L1 cache
DEPTH = PANELS // (4 * (ROWS + COLUMNS))
A, B, C = ROWS * DEPTH, COLUMNS * DEPTH, ROWS * COLUMNS
SHARE = A + B + C + 64  # floats of each thread, and room so that no two share a cache line


def _tiles(numbers, shares, calls):
    """Compute C += A @ B `calls` times in each share."""
    for share in prange(shares):
        scratch = numbers[share * SHARE : (share + 1) * SHARE]
        a, b, c = scratch[:A], scratch[A : A + B], scratch[A + B :]
        for _ in range(calls):
            tile_columns(a, 0, ROWS, b, 0, COLUMNS, c, 0, COLUMNS, c, 0, COLUMNS, DEPTH)


# not cached on disk
tiles = numba.njit(parallel=True, fastmath=FLAGS, error_model="numpy")(_tiles)


def seconds(numbers: np.ndarray, shares: int, calls: int) -> float:
    """The time of `calls` tiles in each thread."""
    begun = time.perf_counter()
    tiles(numbers, shares, calls)
    return time.perf_counter() - begun


@functools.cache
def peak_gflops(turn: float = 0.05, rounds: int = 15) -> float:
    """GFLOP/s of all threads together.

    The best of `rounds` timings, each about `turn` seconds long.
    """
    shares, calls = threads(), 1
    numbers = aligned(shares * SHARE)
    numbers[:] = np.random.default_rng(0).standard_normal(numbers.size, np.float32)
    tiles(numbers, shares, calls)  # compiles
    while seconds(numbers, shares, calls) < turn:
        calls *= 2
    best = min(seconds(numbers, shares, calls) for _ in range(rounds))
    return 2.0 * ROWS * COLUMNS * DEPTH * shares * calls / best / 1e9
