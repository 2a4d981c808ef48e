"""The peak of this machine: the register tile with all its operands in the L1 cache.

No product of this package can be faster, because each is made of this tile. "Share of peak" in the
tables is the share of this rate, with all threads at work. m0 and m1 use one thread.
"""

import functools
import math
import time

import numpy as np

from kernels.ladder.common import all_threads, prange
from kernels.tile import COLUMNS, ROWS, threads, tile_rows

DEPTH = 128  # with 8 x 32 sums: A 4 KiB, B 16 KiB, C 1 KiB per thread
TILES, SECONDS = 2000, 1.0


@all_threads
def _tiles(a, b, c):
    for thread in prange(c.shape[0]):
        sums = c[thread]
        for _ in range(TILES):  # C += A B, so that no repetition can be left out
            tile_rows(a, 0, DEPTH, b, 0, COLUMNS, sums, 0, COLUMNS, sums, 0, COLUMNS, DEPTH)


@functools.cache
def peak() -> float:
    """Return the best GFLOP/s of all threads, measured once per process.

    One call takes about a millisecond, so the best of a second is a call without other load.
    """
    a, b = np.ones(ROWS * DEPTH, np.float32), np.ones(DEPTH * COLUMNS, np.float32)
    c = np.zeros((threads(), ROWS * COLUMNS), np.float32)
    _tiles(a, b, c)  # compiles
    best, end = math.inf, time.perf_counter() + SECONDS
    while (begun := time.perf_counter()) < end:
        _tiles(a, b, c)
        best = min(best, time.perf_counter() - begun)
    return 2 * c.size * DEPTH * TILES / best / 1e9
