"""C = epilogue(A @ B + bias), for every product of the model: y = x w, dx = dy w^T, dw = x^T dy.

A and B lie in memory either way round; nothing is transposed in Python. The work is cut in this
order:

    share      each thread gets its own columns of C (or rows, where columns are few), and needs no synchronization
    block      DEPTH numbers deep and BLOCK columns wide: B's part is copied into panels that fit the L2 cache
    panel      COLUMNS wide, DEPTH deep: read front to back by a tile, while that tile's rows of A stay in the L1 cache
    tile       ROWS x COLUMNS sums in registers (tile.py)

A panel holds B's rows one after the other, so that the tile reads it front to back whatever B's own
layout was, and is filled with zeros where B ends. C's last rows and columns go through a small tile
of their own (_edge). The epilogue is applied to each tile when its sum is whole, and still in the
L1 cache: what BLAS cannot do.
Source: Goto and van de Geijn 2008 (blocks and panels).
"""

import numba
import numpy as np

from kernels.jit import DISABLED, kernel, part
from kernels.memory import workspace
from kernels.tile import COLUMNS, ROWS, move_tile, tile_columns, tile_rows
from kernels.vector_math import gelu_erf, gelu_erf_slope, gelu_tanh, gelu_tanh_slope

prange = range if DISABLED else numba.prange
DEPTH = 512  # 8 rows of A are 16 KiB
BLOCK = 8 * COLUMNS  # a block of panels is 512 KiB
TILE = ROWS * COLUMNS
# from panel to panel: a power of two would put all of them in the same cache sets
PANEL = (DEPTH + 1) * COLUMNS
PANELS = BLOCK // COLUMNS * PANEL
# floats of workspace a thread: panels, bias, two tiles, rows of A
SCRATCH = PANELS + BLOCK + 2 * TILE + ROWS * DEPTH

# Epilogues. `extra` is an array of C's shape that some of them write or read.
NOTHING, GELU_TANH, GELU_ERF, RELU, GELU_TANH_SLOPE, GELU_ERF_SLOPE, RELU_SLOPE = range(7)
ZERO, ONE = np.float32(0.0), np.float32(1.0)


@part
def _pack(b, b_stride, transposed, k0, depth, n0, n1, panels):
    """Copy B[k0 : k0 + depth, n0 : n1] into panels, each (depth, COLUMNS), one after the other;
    zeros beyond n1.
    """
    whole = (n1 - n0) // COLUMNS  # panels
    if transposed:
        for p in range(whole):
            for j in range(COLUMNS):
                source, panel = (n0 + p * COLUMNS + j) * b_stride + k0, panels[p * PANEL + j :]
                # slices begin at 0: LLVM need not ask whether an index is negative
                column = b[source : source + depth]
                for k in range(depth):
                    panel[k * COLUMNS] = column[k]
    else:
        for k in range(depth):  # along B's rows, as they lie
            for p in range(whole):
                source = (k0 + k) * b_stride + n0 + p * COLUMNS
                row, place = b[source : source + COLUMNS], panels[p * PANEL + k * COLUMNS :]
                for j in range(COLUMNS):
                    place[j] = row[j]
    for n in range(n0 + whole * COLUMNS, n1, COLUMNS):  # at most one that is not whole
        for k in range(depth):
            place = whole * PANEL + k * COLUMNS
            for j in range(COLUMNS):
                panels[place + j] = ZERO
            for j in range(n1 - n):
                panels[place + j] = b[
                    (n + j) * b_stride + k0 + k if transposed else (k0 + k) * b_stride + n + j
                ]


@part
def _sum_columns(panels, k0, depth, n0, n1, ones, tile, b_sums):
    """Add up B's columns n0 ..

    n1, from the panels that have just been filled: a product with rows of ones.
    """
    ones[:ROWS] = ONE
    for n in range(n0, n1, COLUMNS):
        width = min(COLUMNS, n1 - n)
        for j in range(width):
            tile[j] = b_sums[n + j] if k0 else ZERO
        tile_columns(
            ones,
            0,
            0,
            panels,
            (n - n0) // COLUMNS * PANEL,
            COLUMNS,
            tile,
            0,
            0,
            tile,
            0,
            COLUMNS,
            depth,
        )
        b_sums[n : n + width] = tile[:width]


@part
def _rows_of_a(a, at, a_stride, by_rows, rows, depth, own):
    """ROWS rows of A, `depth` long, as columns one after the other; zeros where A has fewer rows."""
    for k in range(depth if rows < ROWS else 0):
        for r in range(rows, ROWS):
            own[k * ROWS + r] = ZERO
    if by_rows:
        for r in range(rows):
            for k in range(depth):
                own[k * ROWS + r] = a[at + r * a_stride + k]
    elif rows == ROWS:
        for k in range(depth):
            column = a[at + k * a_stride : at + k * a_stride + ROWS]
            for r in range(ROWS):
                own[k * ROWS + r] = column[r]
    else:
        for k in range(depth):
            for r in range(rows):
                own[k * ROWS + r] = a[at + r + k * a_stride]


@part
def _finish(tile, x, epilogue):
    """The epilogue on one tile, its numbers side by side.

    `x`, also a tile, is what was before the activation: written, or read.
    """
    if epilogue <= RELU:
        move_tile(tile, 0, COLUMNS, x, 0, COLUMNS)
    if epilogue == GELU_TANH:
        for i in range(TILE):
            tile[i] = gelu_tanh(x[i])
    elif epilogue == GELU_ERF:
        for i in range(TILE):
            tile[i] = gelu_erf(x[i])
    elif epilogue == RELU:
        for i in range(TILE):
            tile[i] = ZERO if x[i] <= ZERO else x[i]  # NaN stays NaN
    elif epilogue == GELU_TANH_SLOPE:
        for i in range(TILE):
            tile[i] *= gelu_tanh_slope(x[i])
    elif epilogue == GELU_ERF_SLOPE:
        for i in range(TILE):
            tile[i] *= gelu_erf_slope(x[i])
    elif epilogue == RELU_SLOPE:
        for i in range(TILE):
            tile[i] *= ONE if x[i] > ZERO else ZERO  # a product: NaN is not hidden


@part
def _move(source, at, stride, target, target_at, target_stride, rows, width):
    """Copy a tile, or the part of it that lies inside C."""
    if rows == ROWS and width == COLUMNS:
        move_tile(source, at, stride, target, target_at, target_stride)
    else:
        for r in range(rows):
            for j in range(width):
                target[target_at + r * target_stride + j] = source[at + r * stride + j]


@part
def _share(
    a,
    a_stride,
    by_rows,
    b,
    b_stride,
    transposed,
    bias,
    c,
    N,
    K,
    epilogue,
    extra,
    b_sums,
    m0,
    m1,
    n0,
    n1,
    own,
):
    """C's rows m0 ..

    m1 and columns n0 .. n1, by one thread. With more threads than tiles, some shares are empty.
    """
    if m0 >= m1 or n0 >= n1:
        return
    panels, bias_row, own = own[:PANELS], own[PANELS : PANELS + BLOCK], own[PANELS + BLOCK :]
    tile, x, a_rows = own[:TILE], own[TILE : 2 * TILE], own[2 * TILE : 2 * TILE + ROWS * DEPTH]
    for block in range(n0, n1, BLOCK):
        block_end = min(block + BLOCK, n1)
        bias_row[:] = ZERO
        if bias.size:
            bias_row[: block_end - block] = bias[block:block_end]
        for k0 in range(0, K, DEPTH):
            depth, last = min(DEPTH, K - k0), k0 + DEPTH >= K
            _pack(b, b_stride, transposed, k0, depth, block, block_end, panels)
            if b_sums.size and m0 == 0:  # where the rows are shared out, the first thread alone
                _sum_columns(panels, k0, depth, block, block_end, a_rows, tile, b_sums)
            for m in range(m0, m1, ROWS):
                rows, a_at = min(ROWS, m1 - m), m * a_stride + k0 if by_rows else m + k0 * a_stride
                in_place = by_rows and rows == ROWS
                if not in_place:
                    _rows_of_a(a, a_at, a_stride, by_rows, rows, depth, a_rows)
                for n in range(block, block_end, COLUMNS):
                    panel, width, c_at = (
                        (n - block) // COLUMNS * PANEL,
                        min(COLUMNS, block_end - n),
                        m * N + n,
                    )
                    # the sum, with the bias or what C holds already, goes to C: by way of `tile` at
                    # C's edges, and where an epilogue is to come
                    finish = last and epilogue != NOTHING
                    direct = rows == ROWS and width == COLUMNS and not finish
                    sums, sums_at, sums_stride = (c, c_at, N) if direct else (tile, 0, COLUMNS)
                    start, start_at, start_stride = (
                        (sums, sums_at, sums_stride) if k0 else (bias_row, n - block, 0)
                    )
                    if k0 and not direct:
                        _move(c, c_at, N, tile, 0, COLUMNS, rows, width)
                    if in_place:
                        tile_rows(
                            a, a_at, a_stride, panels, panel, COLUMNS, start, start_at, start_stride,
                            sums, sums_at, sums_stride, depth,
                        )  # fmt: skip
                    else:
                        tile_columns(
                            a_rows, 0, ROWS, panels, panel, COLUMNS, start, start_at, start_stride,
                            sums, sums_at, sums_stride, depth,
                        )  # fmt: skip
                    if finish:
                        if epilogue > RELU:
                            _move(extra, c_at, N, x, 0, COLUMNS, rows, width)
                        _finish(tile, x, epilogue)
                        if epilogue <= RELU:
                            _move(x, 0, COLUMNS, extra, c_at, N, rows, width)
                    if not direct:
                        _move(tile, 0, COLUMNS, c, c_at, N, rows, width)


@kernel
def _matmul(
    a,
    a_stride,
    by_rows,
    b,
    b_stride,
    transposed,
    bias,
    c,
    M,
    N,
    K,
    epilogue,
    extra,
    b_sums,
    shares,
    of_rows,
    scratch,
):
    for share in prange(shares):
        m0, m1, n0, n1 = 0, M, 0, N
        if of_rows:
            tiles = (M + ROWS - 1) // ROWS
            m0, m1 = tiles * share // shares * ROWS, min(M, tiles * (share + 1) // shares * ROWS)
        else:
            panels = (N + COLUMNS - 1) // COLUMNS
            n0, n1 = (
                panels * share // shares * COLUMNS,
                min(N, panels * (share + 1) // shares * COLUMNS),
            )
        own = scratch[share * SCRATCH : (share + 1) * SCRATCH]
        _share(
            a,
            a_stride,
            by_rows,
            b,
            b_stride,
            transposed,
            bias,
            c,
            N,
            K,
            epilogue,
            extra,
            b_sums,
            m0,
            m1,
            n0,
            n1,
            own,
        )


NO_ARRAY = np.empty(0, np.float32)


def matmul(
    a,
    a_stride,
    by_rows,
    b,
    b_stride,
    transposed,
    c,
    M,
    N,
    K,
    bias=None,
    epilogue=NOTHING,
    extra=None,
    b_sums=None,
):
    """C (M, N) = epilogue(A (M, K) @ B (K, N) + bias), into the flat array c.

    a, b and c are one-dimensional float32 arrays.

    by_rows: A's numbers lie row by row, a_stride apart; else they lie as those of A^T. transposed:
    B's lie as those of B^T.
    bias: (N,) or None. epilogue: one of the names above. extra: (M * N,) flat, what the epilogue
    writes or reads.
    b_sums: (N,), is filled with the sums of B's columns: where B is dy, the gradient of the bias,
    for free.
    """
    if K == 0:  # the weight's gradient of no rows
        c[:] = ZERO
        if b_sums is not None:
            b_sums[:] = ZERO
        return
    shares = workspace.threads()
    # rows make each thread pack all of B
    of_rows = _unevenness(N, COLUMNS, shares) > _unevenness(M, ROWS, shares) * 1.1
    _matmul(
        a, a_stride, by_rows, b, b_stride, transposed, NO_ARRAY if bias is None else bias, c, M, N, K, epilogue,
        NO_ARRAY if extra is None else extra, NO_ARRAY if b_sums is None else b_sums, shares, of_rows,
        workspace.floats("matmul", shares * SCRATCH),
    )  # fmt: skip


def _unevenness(size: int, unit: int, shares: int) -> float:
    """How much longer the largest share takes than an even one: 1.0 is even."""
    units = max(1, -(-size // unit))
    return -(-units // shares) * shares / units
