"""The register tile: a small matrix product whose sums stay in registers.

    C[ROWS, COLUMNS] = start + A[ROWS, depth] @ B[depth, COLUMNS]

Every product of this package (linear layers,
attention, their gradients) consists of such tiles.

Why it is fast: the sums are LLVM vector values that phi nodes carry from one iteration to the next.
So an iteration touches memory only to read A and B. Each number of A is spread over a vector's
lanes and multiplied with COLUMNS numbers of B. A core that starts two 16-lane FMAs per cycle, each
4 cycles long, needs 8 independent sums; ROWS x VECTORS = 16 is enough.

B and C are row-major. A is read where it is, in one of two layouts:

    tile_rows      A[r, k] = a[a_at + r * a_stride + k]      row-major: x in x @ w
    tile_columns   A[r, k] = a[a_at + r + k * a_stride]      its transpose: x in x^T @ dout

`start` is the bias (start_stride 0), C itself (to add to it) or zeros. It is added at the end: a
long sum that is cut into pieces of some hundred numbers, each starting from 0, has a smaller
rounding error than one running sum.
Source: Goto and van de Geijn 2008, "Anatomy of High-Performance Matrix Multiplication"; Van Zee and
van de Geijn 2015 (BLIS).
"""

import os

import numba
import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.extending import intrinsic

from kernels.jit import DISABLED

# (lanes, rows, vectors): rows * vectors sums, a row of B and one number of A fit the registers
AVX512 = (16, 8, 2)  # 32 registers of 16 lanes: 16 sums + 2 + 1
AVX2 = (8, 6, 2)  # 16 registers of 8 lanes: 12 sums + 2 + 1
NEON = (4, 8, 2)  # 32 registers of 4 lanes: 16 sums + 2 + 1
TILES = {"avx512": AVX512, "avx2": AVX2, "neon": NEON}


def choose_tile() -> tuple[int, int, int]:
    """(lanes, rows, vectors) for the processor that Numba compiles for.

    The environment variable MINIGPT_TILE overrides it: avx512, avx2 or neon.
    Raises ValueError if it is something else.
    """
    name = os.environ.get("MINIGPT_TILE", "")
    if name and name not in TILES:
        raise ValueError(f"MINIGPT_TILE is {name!r}, but must be one of {', '.join(TILES)}")
    return TILES[name or ("neon" if DISABLED else widest_vectors())]


def widest_vectors() -> str:
    """The key of TILES for the target's widest registers.

    Compiles the sum of two 16-lane vectors and looks which registers the assembly uses.
    """
    from numba.core.registry import cpu_target

    sixteen = ir.VectorType(ir.FloatType(), 16)
    module = ir.Module()
    function = ir.Function(module, ir.FunctionType(sixteen, [sixteen, sixteen]), "add")
    builder = ir.IRBuilder(function.append_basic_block())
    builder.ret(builder.fadd(*function.args))
    machine = cpu_target.target_context.codegen()._tm
    assembly = machine.emit_assembly(binding.parse_assembly(str(module)))
    return "avx512" if "%zmm" in assembly else "avx2" if "%ymm" in assembly else "neon"


LANES, ROWS, VECTORS = choose_tile()
COLUMNS = LANES * VECTORS
INDEX, VECTOR = ir.IntType(64), ir.VectorType(ir.FloatType(), LANES)


def _element(context, builder, array_type, array, offset):
    """The address of an array's element `offset`."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [offset])


def _vector(builder, base, row_stride, r, v):
    """The address of the v-th vector of row r."""
    row = builder.mul(row_stride, ir.Constant(INDEX, r))
    offset = builder.add(row, ir.Constant(INDEX, v * LANES))
    return builder.bitcast(builder.gep(base, [offset]), VECTOR.as_pointer())


def _spread(builder, scalar):
    """A vector with one number in every lane."""
    undefined, lane_type = ir.Constant(VECTOR, ir.Undefined), ir.IntType(32)
    first = builder.insert_element(undefined, scalar, ir.Constant(lane_type, 0))
    lanes = ir.Constant(ir.VectorType(lane_type, LANES), [0] * LANES)
    return builder.shuffle_vector(first, undefined, lanes)


def _sums(builder, a, a_stride, b, b_stride, depth, by_rows):
    """A @ B, ROWS x VECTORS LLVM values: the loop over k."""
    contract = ("contract",)  # fmul + fadd may become one FMA
    zero, one = ir.Constant(INDEX, 0), ir.Constant(INDEX, 1)
    a_rows = [builder.gep(a, [builder.mul(a_stride, ir.Constant(INDEX, r))]) for r in range(ROWS)]
    entry, loop = builder.block, builder.append_basic_block("tile.loop")
    builder.branch(loop)

    builder.position_at_end(loop)
    k = builder.phi(INDEX)
    sums = [[builder.phi(VECTOR) for _ in range(VECTORS)] for _ in range(ROWS)]
    b_row = builder.gep(b, [builder.mul(k, b_stride)])
    b_vectors = [builder.load(_vector(builder, b_row, zero, 0, v), align=4) for v in range(VECTORS)]
    a_column = builder.gep(a, [builder.mul(k, a_stride)])
    updated = []
    for r in range(ROWS):
        place = (a_rows[r], k) if by_rows else (a_column, ir.Constant(INDEX, r))
        number = _spread(builder, builder.load(builder.gep(place[0], [place[1]])))
        products = [builder.fmul(number, b_vector, flags=contract) for b_vector in b_vectors]
        updated.append(
            [builder.fadd(sums[r][v], products[v], flags=contract) for v in range(VECTORS)]
        )
    k_next = builder.add(k, one)
    k.add_incoming(zero, entry)
    k.add_incoming(k_next, loop)
    for r in range(ROWS):
        for v in range(VECTORS):
            sums[r][v].add_incoming(ir.Constant(VECTOR, [0.0] * LANES), entry)
            sums[r][v].add_incoming(updated[r][v], loop)
    end = builder.append_basic_block("tile.end")
    builder.cbranch(builder.icmp_signed("<", k_next, depth), loop, end)

    builder.position_at_end(end)
    return updated


def _compiled_tile(by_rows: bool):
    """The tile as LLVM instructions."""

    def codegen(context, builder, signature, args):
        a, a_at, a_stride, b, b_at, b_stride, start, start_at, start_stride, *rest = args
        c, c_at, c_stride, depth = rest
        array_types = signature.args
        a = _element(context, builder, array_types[0], a, a_at)
        b = _element(context, builder, array_types[3], b, b_at)
        start = _element(context, builder, array_types[6], start, start_at)
        c = _element(context, builder, array_types[9], c, c_at)
        sums = _sums(builder, a, a_stride, b, b_stride, depth, by_rows)
        for r in range(ROWS):
            for v in range(VECTORS):
                begun = builder.load(_vector(builder, start, start_stride, r, v), align=4)
                total = builder.fadd(sums[r][v], begun)
                builder.store(total, _vector(builder, c, c_stride, r, v), align=4)
        return context.get_dummy_value()

    @intrinsic
    def tile(typing, a, a_at, a_stride, b, b_at, b_stride, start, start_at, start_stride,
             c, c_at, c_stride, depth):  # fmt: skip
        i = types.intp
        return types.void(a, i, i, b, i, i, start, i, i, c, i, i, i), codegen

    return tile


def _plain_tile(by_rows: bool):
    """The tile in Python, for a debugger (NUMBA_DISABLE_JIT=1)."""

    def tile(a, a_at, a_stride, b, b_at, b_stride, start, start_at, start_stride,
             c, c_at, c_stride, depth):  # fmt: skip
        sums = np.zeros((ROWS, COLUMNS), np.float32)
        for k in range(depth):
            step, row_step = (1, a_stride) if by_rows else (a_stride, 1)
            a_column = np.array([a[a_at + r * row_step + k * step] for r in range(ROWS)])  # (ROWS,)
            sums = sums + a_column[:, None] * b[b_at + k * b_stride :][:COLUMNS]  # (ROWS, COLUMNS)
        for r in range(ROWS):
            total = sums[r] + start[start_at + r * start_stride :][:COLUMNS]  # (COLUMNS,)
            c[c_at + r * c_stride :][:COLUMNS] = total

    return tile


def _compiled_move():
    """A copy of a tile as LLVM instructions.

    LLVM would turn a loop over 32 numbers into a call of memcpy, which costs more than the copy.
    """

    def codegen(context, builder, signature, args):
        source, source_at, source_stride, target, target_at, target_stride = args
        source = _element(context, builder, signature.args[0], source, source_at)
        target = _element(context, builder, signature.args[3], target, target_at)
        for r in range(ROWS):
            for v in range(VECTORS):
                value = builder.load(_vector(builder, source, source_stride, r, v), align=4)
                builder.store(value, _vector(builder, target, target_stride, r, v), align=4)
        return context.get_dummy_value()

    @intrinsic
    def move(typing, source, source_at, source_stride, target, target_at, target_stride):
        i = types.intp
        return types.void(source, i, i, target, i, i), codegen

    return move


def _plain_move(source, source_at, source_stride, target, target_at, target_stride):
    for r in range(ROWS):
        row = source[source_at + r * source_stride :][:COLUMNS]
        target[target_at + r * target_stride :][:COLUMNS] = row


tile_rows = (_plain_tile if DISABLED else _compiled_tile)(by_rows=True)
tile_columns = (_plain_tile if DISABLED else _compiled_tile)(by_rows=False)
move_tile = _plain_move if DISABLED else _compiled_move()


def threads() -> int:
    """How many threads the kernels use."""
    return 1 if DISABLED else numba.get_num_threads()
