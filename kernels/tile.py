"""The register tile: C[ROWS, COLUMNS] = start + A[ROWS, depth] @ B[depth, COLUMNS], its sums never
leaving the registers.

Every product of this package (linear layers, attention, their gradients) is made of this one tile.
What makes it fast: the accumulators are LLVM vector values, carried round the loop by phi nodes, so
that no iteration touches memory but to read A and B; each number of A is spread over a vector's
lanes and meets COLUMNS numbers of B. A core that starts two 16-lane FMAs a cycle, each 4 cycles
long, is busy with 8 independent sums; ROWS x VECTORS = 16 is enough.

A is read where it lies, in one of two ways (B and C always have their columns side by side):

    tile_rows      A[r, k] = a[a_at + r * a_stride + k]      row-major: x in x @ w
    tile_columns   A[r, k] = a[a_at + r + k * a_stride]      its transpose: x in x^T @ dout

`start` is added when the sum is whole: a bias (start_stride 0), C itself (to add to it), zeros. Not
before: a long sum that is cut into pieces of some hundred numbers, each begun at 0, loses fewer
digits than one that runs on.
Source: Goto and van de Geijn 2008, "Anatomy of High-Performance Matrix Multiplication"; Van Zee and
van de Geijn 2015 (BLIS).
"""

import os

import numba
import numpy as np

from kernels.jit import DISABLED

# lanes x rows x vectors: the accumulators (rows * vectors) with a row of B and one number of A fit
# the registers
AVX512 = (16, 8, 2)  # 32 registers of 16 lanes: 16 sums + 2 + 1
AVX2 = (8, 6, 2)  # 16 registers of 8 lanes: 12 sums + 2 + 1
NEON = (4, 8, 2)  # 32 registers of 4 lanes: 16 sums + 2 + 1
TILES = {"avx512": AVX512, "avx2": AVX2, "neon": NEON}


def choose_tile() -> tuple[int, int, int]:
    """(lanes, rows, vectors) for the processor that Numba compiles for, or what MINIGPT_TILE names:
    avx512, avx2, neon.
    """
    name = os.environ.get("MINIGPT_TILE", "")
    if name and name not in TILES:
        raise ValueError(f"MINIGPT_TILE is {name!r}, but must be one of {', '.join(TILES)}")
    return TILES[name or ("neon" if DISABLED else widest_vectors())]


def widest_vectors() -> str:
    """Which registers the target has.

    We ask the compiler: it translates the sum of two 16-lane vectors, and we look.
    """
    from llvmlite import binding, ir
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


def _compiled_tile(by_rows: bool):
    """The tile as LLVM instructions."""
    from llvmlite import ir
    from numba import types
    from numba.extending import intrinsic

    real, index = ir.FloatType(), ir.IntType(64)
    vector = ir.VectorType(real, LANES)
    contract = ("contract",)  # fmul + fadd may become one FMA

    def number(n: int):
        return ir.Constant(index, n)

    def codegen(context, builder, signature, args):
        (
            a,
            a_at,
            a_stride,
            b,
            b_at,
            b_stride,
            start,
            start_at,
            start_stride,
            c,
            c_at,
            c_stride,
            depth,
        ) = args

        def pointer(i, offset):  # to element `offset` of the i-th argument, an array
            data = context.make_array(signature.args[i])(context, builder, args[i]).data
            return builder.gep(data, [offset])

        def at(base, offset):
            return builder.gep(base, [offset])

        def load(base, row_stride, r, v):  # the v-th vector of row r
            place = at(base, builder.add(builder.mul(row_stride, number(r)), number(v * LANES)))
            return builder.load(builder.bitcast(place, vector.as_pointer()), align=4)

        def spread(scalar):  # one number in every lane
            first = builder.insert_element(
                ir.Constant(vector, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0)
            )
            lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
            return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), lanes)

        a, b, start, c = pointer(0, a_at), pointer(3, b_at), pointer(6, start_at), pointer(9, c_at)
        a_rows = [at(a, builder.mul(a_stride, number(r))) for r in range(ROWS)]
        entry, loop = builder.block, builder.append_basic_block("tile.loop")
        builder.branch(loop)

        builder.position_at_end(loop)
        k = builder.phi(index)
        sums = [[builder.phi(vector) for _ in range(VECTORS)] for _ in range(ROWS)]
        b_row = at(b, builder.mul(k, b_stride))
        b_vectors = [load(b_row, number(0), 0, v) for v in range(VECTORS)]
        a_column = at(a, builder.mul(k, a_stride))
        updated = []
        for r in range(ROWS):
            scalar = builder.load(at(a_rows[r], k) if by_rows else at(a_column, number(r)))
            products = [
                builder.fmul(spread(scalar), b_vector, flags=contract) for b_vector in b_vectors
            ]
            updated.append(
                [builder.fadd(sums[r][v], products[v], flags=contract) for v in range(VECTORS)]
            )
        k_next = builder.add(k, number(1))
        k.add_incoming(number(0), entry)
        k.add_incoming(k_next, loop)
        for r in range(ROWS):
            for v in range(VECTORS):
                sums[r][v].add_incoming(ir.Constant(vector, [0.0] * LANES), entry)
                sums[r][v].add_incoming(updated[r][v], loop)
        end = builder.append_basic_block("tile.end")
        builder.cbranch(builder.icmp_signed("<", k_next, depth), loop, end)

        builder.position_at_end(end)
        for r in range(ROWS):
            for v in range(VECTORS):
                place = at(c, builder.add(builder.mul(c_stride, number(r)), number(v * LANES)))
                total = builder.fadd(updated[r][v], load(start, start_stride, r, v))
                builder.store(total, builder.bitcast(place, vector.as_pointer()), align=4)
        return context.get_dummy_value()

    @intrinsic
    def tile(
        typing,
        a,
        a_at,
        a_stride,
        b,
        b_at,
        b_stride,
        start,
        start_at,
        start_stride,
        c,
        c_at,
        c_stride,
        depth,
    ):
        i = types.intp
        return types.void(a, i, i, b, i, i, start, i, i, c, i, i, i), codegen

    return tile


def _plain_tile(by_rows: bool):
    """The same in Python, for a debugger (NUMBA_DISABLE_JIT=1)."""

    def tile(
        a,
        a_at,
        a_stride,
        b,
        b_at,
        b_stride,
        start,
        start_at,
        start_stride,
        c,
        c_at,
        c_stride,
        depth,
    ):
        sums = np.zeros((ROWS, COLUMNS), np.float32)
        for k in range(depth):
            step, row_step = (1, a_stride) if by_rows else (a_stride, 1)
            a_column = np.array([a[a_at + r * row_step + k * step] for r in range(ROWS)])  # (ROWS,)
            sums = sums + a_column[:, None] * b[b_at + k * b_stride :][:COLUMNS]  # (ROWS, COLUMNS)
        for r in range(ROWS):
            c[c_at + r * c_stride :][:COLUMNS] = (
                sums[r] + start[start_at + r * start_stride :][:COLUMNS]
            )

    return tile


def _compiled_move():
    """A tile from one place to another.

    (A loop over 32 numbers would be made a call of memcpy, which costs more than the move.)
    """
    from llvmlite import ir
    from numba import types
    from numba.extending import intrinsic

    vector = ir.VectorType(ir.FloatType(), LANES)

    def codegen(context, builder, signature, args):
        source, source_at, source_stride, target, target_at, target_stride = args

        def vector_at(i, array, first, stride, r, v):
            data = context.make_array(signature.args[i])(context, builder, array).data
            offset = builder.add(
                builder.mul(stride, ir.Constant(first.type, r)), ir.Constant(first.type, v * LANES)
            )
            return builder.bitcast(
                builder.gep(data, [builder.add(first, offset)]), vector.as_pointer()
            )

        for r in range(ROWS):
            for v in range(VECTORS):
                value = builder.load(vector_at(0, source, source_at, source_stride, r, v), align=4)
                builder.store(value, vector_at(3, target, target_at, target_stride, r, v), align=4)
        return context.get_dummy_value()

    @intrinsic
    def move(typing, source, source_at, source_stride, target, target_at, target_stride):
        i = types.intp
        return types.void(source, i, i, target, i, i), codegen

    return move


def _plain_move(source, source_at, source_stride, target, target_at, target_stride):
    for r in range(ROWS):
        target[target_at + r * target_stride :][:COLUMNS] = source[source_at + r * source_stride :][
            :COLUMNS
        ]


tile_rows = (_plain_tile if DISABLED else _compiled_tile)(by_rows=True)
tile_columns = (_plain_tile if DISABLED else _compiled_tile)(by_rows=False)
move_tile = _plain_move if DISABLED else _compiled_move()


def threads() -> int:
    """How many threads the kernels use."""
    return 1 if DISABLED else numba.get_num_threads()
