"""The ladder: from the three textbook loops to the kernels, one idea per rung.

    matmul       m0 three loops -> m1 their order -> m2 threads -> m3 cache blocks
                 -> m4 several rows at once -> m5 sums in registers -> m6 kernels/matmul.py itself
    attention    a0 the formula -> a1 online softmax -> a2 blocks -> a3 queries as lanes
                 -> a4 kernels/attention.py itself
    backward     b0 P recomputed from lse -> b1 kernels/attention.py itself

Each rung is one file. Its docstring says what it adds to the rung before and why that is faster.
Its results agree with those of the rung before. Read a file, then the next with the first beside
it. README.md has the measured tables. To time the rungs on your machine:

    python -m kernels.ladder.table

Every module has `traffic(...)`, which returns how many numbers its loops read from arrays and write
to them. table.py says what is counted.
"""

MATMUL: tuple[tuple[str, str], ...] = (
    ("m0_plain", "the three loops i, j, k"),
    ("m1_order", "loops i, k, j: rows, in vector lanes"),
    ("m2_parallel", "rows shared among the threads"),
    ("m3_blocks", "a block of B that stays in the cache"),
    ("m4_rows", "4 rows of A at once, 2 rows of B"),
    ("m5_tile", "sums in registers, B in panels"),
    ("m6_kernel", "kernels/matmul.py: blocks of panels"),
)
ATTENTION: tuple[tuple[str, str], ...] = (
    ("a0_plain", "the formula, all scores stored"),
    ("a1_online", "online softmax, no score stored"),
    ("a2_tiles", "blocks of queries and keys"),
    ("a3_lanes", "queries as lanes, register tiles"),
    ("a4_kernel", "kernels/attention.py: heads in place"),
)
BACKWARD: tuple[tuple[str, str], ...] = (
    ("b0_recompute", "P recomputed from lse, in blocks"),
    ("b1_kernel", "kernels/attention.py: register tiles"),
)
RUNGS = MATMUL + ATTENTION + BACKWARD  # (module, what it adds)
