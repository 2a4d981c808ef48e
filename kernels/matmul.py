"""Every matrix product of the model, with its bias and activation.

C = epilogue(A @ B + bias). The products are y = x w, dx = dy w^T and dw = x^T dy. A and B may be
row-major or transposed; nothing is transposed in Python. The work is divided in this order:

    share   A thread gets some columns of C (or rows, if there are few columns) and needs no
            synchronization.
    block   DEPTH rows and BLOCK columns of B are copied into panels that fit the L2 cache.
    panel   DEPTH rows and COLUMNS columns of B. A tile reads it front to back, while the tile's
            rows of A stay in the L1 cache.
    tile    ROWS x COLUMNS sums in registers (tile.py).

A panel stores B's rows one after the other, whatever the layout of B, and is padded with zeros
where B ends. Tiles at the edges of C are computed in scratch and copied. The epilogue is applied to
each tile when its sum is complete and still in the L1 cache; BLAS cannot do that.
Source: Goto and van de Geijn 2008 (blocks and panels).
"""

import numpy as np

from kernels.jit import compiled, inlined, parallel_kernel, prange
from kernels.memory import workspace
from kernels.tile import COLUMNS, ROWS, move_tile, tile_columns, tile_rows
from kernels.vector_math import gelu_erf, gelu_erf_slope, gelu_tanh, gelu_tanh_slope

DEPTH = 512  # 8 rows of A are 16 KiB
BLOCK = 8 * COLUMNS  # a block of panels is 512 KiB
TILE = ROWS * COLUMNS
# floats from one panel to the next; with a power of two all panels would share the same cache sets
PANEL = (DEPTH + 1) * COLUMNS
PANELS = BLOCK // COLUMNS * PANEL
# floats of scratch per thread: panels, bias, two tiles, rows of A
SCRATCH = PANELS + BLOCK + 2 * TILE + ROWS * DEPTH

# Epilogues. `extra` is an array of C's shape: the activations write it, their slopes read it.
NOTHING, GELU_TANH, GELU_ERF, RELU, GELU_TANH_SLOPE, GELU_ERF_SLOPE, RELU_SLOPE = range(7)
ZERO, ONE = np.float32(0.0), np.float32(1.0)


@compiled
def _pack(b, b_stride, transposed, k0, depth, n0, n1, panels):
    """Copy one block of B into panels of (depth, COLUMNS).

    The block is B[k0 : k0 + depth, n0 : n1]. Columns beyond n1 are 0.
    """
    whole = (n1 - n0) // COLUMNS  # panels
    if transposed:
        for p in range(whole):
            for j in range(COLUMNS):
                source, panel = (n0 + p * COLUMNS + j) * b_stride + k0, panels[p * PANEL + j :]
                # the indices of a slice begin at 0, so LLVM does not test for negative ones
                column = b[source : source + depth]
                for k in range(depth):
                    panel[k * COLUMNS] = column[k]
    else:
        for k in range(depth):  # in the order of B's rows in memory
            for p in range(whole):
                source = (k0 + k) * b_stride + n0 + p * COLUMNS
                row, place = b[source : source + COLUMNS], panels[p * PANEL + k * COLUMNS :]
                for j in range(COLUMNS):
                    place[j] = row[j]
    for n in range(n0 + whole * COLUMNS, n1, COLUMNS):  # at most one incomplete panel
        for k in range(depth):
            place = whole * PANEL + k * COLUMNS
            for j in range(COLUMNS):
                panels[place + j] = ZERO
            for j in range(n1 - n):
                panels[place + j] = b[
                    (n + j) * b_stride + k0 + k if transposed else (k0 + k) * b_stride + n + j
                ]


@compiled
def _sum_columns(panels, k0, depth, n0, n1, ones, tile, b_sums):
    """Add the column sums of one block of B to b_sums[n0:n1].

    They are taken from the panels that _pack has just filled: a product with rows of ones.
    """
    ones[:ROWS] = ONE
    for n in range(n0, n1, COLUMNS):
        width = min(COLUMNS, n1 - n)
        for j in range(width):
            tile[j] = b_sums[n + j] if k0 else ZERO
        tile_columns(
            ones, 0, 0, panels, (n - n0) // COLUMNS * PANEL, COLUMNS,
            tile, 0, 0, tile, 0, COLUMNS, depth,
        )  # fmt: skip
        b_sums[n : n + width] = tile[:width]


@compiled
def _rows_of_a(a, at, a_stride, by_rows, rows, depth, target):
    """Copy `rows` rows of A, transposed, into target (depth, ROWS).

    The rest of target is 0.
    """
    for k in range(depth if rows < ROWS else 0):
        for r in range(rows, ROWS):
            target[k * ROWS + r] = ZERO
    if by_rows:
        for r in range(rows):
            for k in range(depth):
                target[k * ROWS + r] = a[at + r * a_stride + k]
    elif rows == ROWS:
        for k in range(depth):
            column = a[at + k * a_stride : at + k * a_stride + ROWS]
            for r in range(ROWS):
                target[k * ROWS + r] = column[r]
    else:
        for k in range(depth):
            for r in range(rows):
                target[k * ROWS + r] = a[at + r + k * a_stride]


@compiled
def _finish(tile, x, epilogue):
    """Apply the epilogue to one contiguous tile.

    x, also a tile, is the pre-activation: an activation writes it, a slope reads it.
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


@compiled
def _move(source, at, stride, target, target_at, target_stride, rows, width):
    """Copy the first `rows` rows and `width` columns of a tile."""
    if rows == ROWS and width == COLUMNS:
        move_tile(source, at, stride, target, target_at, target_stride)
    else:
        for r in range(rows):
            for j in range(width):
                target[target_at + r * target_stride + j] = source[at + r * stride + j]


@inlined
def _tile(a, a_at, a_stride, in_place, a_rows, panels, panel, bias_row, bias_at, c, c_at, N,
          rows, width, k0, depth, epilogue, extra, tile, x):  # fmt: skip
    """Compute one tile of C over `depth` products per sum.

    The sum goes straight to C. At the edges of C, and before an epilogue, it goes through `tile`.
    epilogue: NOTHING unless this is the last block of the sum.
    """
    direct = rows == ROWS and width == COLUMNS and epilogue == NOTHING
    sums, sums_at, sums_stride = (c, c_at, N) if direct else (tile, 0, COLUMNS)
    # start from the bias, or from the sum so far
    start, start_at, start_stride = (sums, sums_at, sums_stride) if k0 else (bias_row, bias_at, 0)
    if k0 and not direct:
        _move(c, c_at, N, tile, 0, COLUMNS, rows, width)
    if in_place:
        tile_rows(
            a, a_at, a_stride, panels, panel, COLUMNS,
            start, start_at, start_stride, sums, sums_at, sums_stride, depth,
        )  # fmt: skip
    else:
        tile_columns(
            a_rows, 0, ROWS, panels, panel, COLUMNS,
            start, start_at, start_stride, sums, sums_at, sums_stride, depth,
        )  # fmt: skip
    if epilogue != NOTHING:
        if epilogue > RELU:
            _move(extra, c_at, N, x, 0, COLUMNS, rows, width)
        _finish(tile, x, epilogue)
        if epilogue <= RELU:
            _move(x, 0, COLUMNS, extra, c_at, N, rows, width)
    if not direct:
        _move(tile, 0, COLUMNS, c, c_at, N, rows, width)


@compiled
def _share(a, a_stride, by_rows, b, b_stride, transposed, bias, c, N, K, epilogue, extra, b_sums,
           m0, m1, n0, n1, scratch):  # fmt: skip
    """Compute C[m0:m1, n0:n1] in one thread.

    With more threads than tiles, some shares are empty.
    """
    if m0 >= m1 or n0 >= n1:
        return
    panels, rest = scratch[:PANELS], scratch[PANELS:]
    bias_row, rest = rest[:BLOCK], rest[BLOCK:]
    tile, x, a_rows = rest[:TILE], rest[TILE : 2 * TILE], rest[2 * TILE : 2 * TILE + ROWS * DEPTH]
    for block in range(n0, n1, BLOCK):
        block_end = min(block + BLOCK, n1)
        bias_row[:] = ZERO
        if bias.size:
            bias_row[: block_end - block] = bias[block:block_end]
        for k0 in range(0, K, DEPTH):
            depth, last = min(DEPTH, K - k0), k0 + DEPTH >= K
            _pack(b, b_stride, transposed, k0, depth, block, block_end, panels)
            if b_sums.size and m0 == 0:  # if the rows are shared, only in the first thread
                _sum_columns(panels, k0, depth, block, block_end, a_rows, tile, b_sums)
            for m in range(m0, m1, ROWS):
                rows, a_at = min(ROWS, m1 - m), m * a_stride + k0 if by_rows else m + k0 * a_stride
                in_place = by_rows and rows == ROWS
                if not in_place:
                    _rows_of_a(a, a_at, a_stride, by_rows, rows, depth, a_rows)
                for n in range(block, block_end, COLUMNS):
                    panel, width = (n - block) // COLUMNS * PANEL, min(COLUMNS, block_end - n)
                    finish = epilogue if last else NOTHING
                    _tile(
                        a, a_at, a_stride, in_place, a_rows, panels, panel, bias_row, n - block,
                        c, m * N + n, N, rows, width, k0, depth, finish, extra, tile, x,
                    )  # fmt: skip


@parallel_kernel
def _matmul(a, a_stride, by_rows, b, b_stride, transposed, bias, c, M, N, K, epilogue, extra,
            b_sums, shares, of_rows, scratch):  # fmt: skip
    for share in prange(shares):
        m0, m1, n0, n1 = 0, M, 0, N
        if of_rows:
            tiles = (M + ROWS - 1) // ROWS
            m0, m1 = tiles * share // shares * ROWS, min(M, tiles * (share + 1) // shares * ROWS)
        else:
            panels = (N + COLUMNS - 1) // COLUMNS
            n0 = panels * share // shares * COLUMNS
            n1 = min(N, panels * (share + 1) // shares * COLUMNS)
        mine = scratch[share * SCRATCH : (share + 1) * SCRATCH]
        _share(
            a, a_stride, by_rows, b, b_stride, transposed, bias, c, N, K, epilogue, extra, b_sums,
            m0, m1, n0, n1, mine,
        )  # fmt: skip


NO_ARRAY = np.empty(0, np.float32)


def matmul(
    a, a_stride, by_rows, b, b_stride, transposed, c, M, N, K,
    bias=None, epilogue=NOTHING, extra=None, b_sums=None,
):  # fmt: skip
    """Write C = epilogue(A @ B + bias) into c.

    A (M, K), B (K, N) and C (M, N) are given as one-dimensional float32 arrays.

    by_rows: A is row-major, its rows a_stride apart; else A^T is.
    transposed: B^T is row-major, its rows b_stride apart; else B is.
    bias: (N,) or None.
    epilogue: one of the constants above.
    extra: (M * N,), which the epilogue writes or reads.
    b_sums: (N,), receives the sums of B's columns. If B is dy, they are the gradient of the bias.
    """
    if K == 0:  # the gradient of a weight from 0 rows
        c[:] = ZERO
        if b_sums is not None:
            b_sums[:] = ZERO
        return
    shares = workspace.threads()
    # sharing the rows costs more: each thread then packs all of B
    of_rows = _unevenness(N, COLUMNS, shares) > _unevenness(M, ROWS, shares) * 1.1
    _matmul(
        a, a_stride, by_rows, b, b_stride, transposed, NO_ARRAY if bias is None else bias, c,
        M, N, K, epilogue, NO_ARRAY if extra is None else extra,
        NO_ARRAY if b_sums is None else b_sums, shares, of_rows,
        workspace.floats("matmul", shares * SCRATCH),
    )  # fmt: skip


def _unevenness(size: int, unit: int, shares: int) -> float:
    """The largest share's size relative to the average share: 1.0 is even."""
    units = max(1, -(-size // unit))
    return -(-units // shares) * shares / units
