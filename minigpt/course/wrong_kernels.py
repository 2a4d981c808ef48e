"""Wrong kernels. They run as plain Python (NUMBA_DISABLE_JIT=1): compiling each would take minutes, and the bug is the same."""

from minigpt.course.variants import Variant

TILE = [
    Variant(
        "kernels.tile/forgets_the_start",
        "the tile's sum replaces what it should be added to: a long product keeps only its last piece",
        (("= sums[r] + start[start_at + r * start_stride :][:COLUMNS]", "= sums[r]"),),
        "linear.blocks",
    ),
    Variant(
        "kernels.tile/columns_as_rows",
        "A is read row by row where it lies column by column",
        (("step, row_step = (1, a_stride) if by_rows else (a_stride, 1)", "step, row_step = 1, a_stride"),),
        "linear.float32_backward",
    ),
]

MATMUL = [
    Variant(
        "kernels.matmul/no_bias_after_the_first_block",
        "the bias is added to the first columns of each block alone",
        (("bias_row[: block_end - block] = bias[block:block_end]", "bias_row[: block_end - block] = bias[: block_end - block]"),),
        "linear.blocks",
    ),
    Variant(
        "kernels.matmul/last_column_missing",
        "the last column of a panel that is not whole is left out",
        (("for j in range(n1 - n):\n", "for j in range(n1 - n - 1):\n"),),
        "linear.blocks",
    ),
    Variant(
        "kernels.matmul/last_rows_missing",
        "rows of A beyond the last whole tile are left out",
        (("for m in range(m0, m1, ROWS):", "for m in range(m0, m1 // ROWS * ROWS, ROWS):"),),
        "linear.blocks",
    ),
    Variant(
        "kernels.matmul/block_twice",
        "the second block of a long sum reads the first block of A again",
        (("m * a_stride + k0 if by_rows else m + k0 * a_stride", "m * a_stride if by_rows else m"),),
        "linear.blocks",
    ),
    Variant(
        "kernels.matmul/gelu_of_a_part",
        "GELU is applied after each block of a long sum, not to the whole sum",
        (("finish = last and epilogue != NOTHING", "finish = epilogue != NOTHING"),),
        "mlp.blocks",
    ),
    Variant(
        "kernels.matmul/slope_of_the_output",
        "the activation's slope is taken of its output, which is what was kept",
        (
            (
                "        move_tile(tile, 0, COLUMNS, x, 0, COLUMNS)\n    if epilogue == GELU_TANH:",
                "        pass\n    if epilogue == GELU_TANH:",
            ),
        ),
        "mlp.blocks",
    ),
    Variant(
        "kernels.matmul/bias_gradient_of_a_part",
        "the bias's gradient holds the last block of rows alone",
        (("tile[j] = b_sums[n + j] if k0 else ZERO", "tile[j] = ZERO"),),
        "linear.blocks",
    ),
    Variant(
        "kernels.linear/turned_weight_straight",
        "a transposed view of a weight is read as if it lay row by row",
        (("n_in if turned else n_out, turned, flat(out)", "n_in if turned else n_out, False, flat(out)"),),
        "linear.blocks",
    ),
]

FLASH = [
    Variant(
        "kernels.flash/no_rescale",
        "what was summed before a new maximum does not shrink",
        (("o[d * COLUMNS + i] *= m[i]", "o[d * COLUMNS + i] *= ONE"),),
        "attention.blocks",
        "BUGS 65",
    ),
    Variant(
        "kernels.flash/total_not_rescaled",
        "the sum of the weights does not shrink with a new maximum",
        (("        total[i] *= m[i]\n", ""),),
        "attention.blocks",
        "BUGS 65",
    ),
    Variant(
        "kernels.flash/block_maximum",
        "each block's own maximum is subtracted, and not the largest so far",
        (("        m_next[i] = m[i]\n    for j in range(count):", "        m_next[i] = LOWEST\n    for j in range(count):"),),
        "attention.blocks",
    ),
    Variant(
        "kernels.flash/no_d_term",
        "dS is P dP: the sum over the row, D, is left out",
        (("dp[j * QUERIES + i] = p * (dp[j * QUERIES + i] - D[i])", "dp[j * QUERIES + i] = p * dp[j * QUERIES + i]"),),
        "attention.float32_backward",
        "BUGS 67",
    ),
    Variant(
        "kernels.flash/upper_left_mask",
        "with fewer queries than keys, the mask is aligned to the upper left corner",
        (
            ("n, query = min(COLUMNS, Tq - i0), i0 + Tk - Tq", "n, query = min(COLUMNS, Tq - i0), i0"),
            ("n, query = min(QUERIES, Tq - i0), i0 + Tk - Tq", "n, query = min(QUERIES, Tq - i0), i0"),
        ),
        "attention.float32",
    ),
    Variant(
        "kernels.flash/diagonal_hidden",
        "a query does not see its own key",
        (
            (
                "first = key + j - query - (0 if causal else window - 1)",
                "first = key + j - query + 1 - (0 if causal else window - 1)",
            ),
        ),
        "attention.float32",
    ),
    Variant(
        "kernels.flash/window_one_short",
        "the window holds one key less",
        (("beyond = key + j - query + window", "beyond = key + j - query + window - 1"),),
        "attention.float32",
    ),
    Variant(
        "kernels.flash/window_one_sided",
        "without causal, a window looks back and not ahead",
        (("(0 if causal else window - 1)", "0"),),
        "attention.blocks",
    ),
    Variant(
        "kernels.flash/first_keys_skipped",
        "the keys that a window's first query sees are skipped: the last query's are taken for all",
        (("first = max(0, query - window + 1)", "first = max(0, query + n - window)"),),
        "attention.blocks",
    ),
    Variant(
        "kernels.flash/last_block_of_keys",
        "keys beyond the last whole block are not seen",
        (("    return first, beyond", "    return first, max(min(beyond, KEYS), beyond // KEYS * KEYS)"),),
        "attention.blocks",
    ),
    Variant(
        "kernels.flash/unscaled_dk",
        "dK lacks 1 / sqrt(hs)",
        (("        q_rows[: n * panel] *= scale  # so that dK needs none\n", ""),),
        "attention.float32_backward",
    ),
    Variant(
        "kernels.flash/unscaled_dq",
        "dQ lacks 1 / sqrt(hs)",
        (("row[d] = dq_turned[d * QUERIES + i] * scale", "row[d] = dq_turned[d * QUERIES + i]"),),
        "attention.float32_backward",
    ),
    Variant(
        "kernels.flash/other_rows_of_a_tile",
        "the rows of the last tile that are no keys are not cleared, and add to the keys after them",
        (
            (
                "                s[j * QUERIES : (j + 1) * QUERIES] = ZERO\n                dp[j * QUERIES : (j + 1) * QUERIES] = ZERO\n",
                "                pass\n",
            ),
        ),
        "attention.blocks",
    ),
    Variant(
        "kernels.flash/lse_without_the_maximum",
        "log-sum-exp is kept without the maximum that was subtracted",
        (("= m[i], np.log(total[i])", "= ZERO, np.log(total[i])"),),
        "attention.float32_backward",
    ),
    Variant(
        "kernels.flash/dv_of_undropped_weights",
        "dV is made of the weights before dropout",
        (
            (
                "            _weights_and_slopes(s, dp, count, m, log_l, D)\n            if keep.size:",
                "            _weights_and_slopes(s, dp, count, m, log_l, D)\n            if keep.size > 10**9:",
            ),
        ),
        "multi_head_attention.gradient",
    ),
    Variant(
        "kernels.flash/heads_at_the_wrong_place",
        "every head's keys are those of the first sequence",
        (
            (
                "            kv_at = b * kv_strides[0] + h * kv_strides[1]\n            _head_forward(",
                "            kv_at = h * kv_strides[1]\n            _head_forward(",
            ),
        ),
        "attention.float32",
    ),
]

OTHERS = [
    Variant(
        "kernels.layer_norm/last_thread",
        "the gradients of gain and bias hold one thread's tokens",
        (("reshape(shares, 2, C).sum(axis=0)", "reshape(shares, 2, C)[0] * 0.5"),),
        "layer_norm.float32_backward",
    ),
    Variant(
        "kernels.layer_norm/mean_of_xhat",
        "dx does not lose its part along xhat",
        (("- along_one - xhat * along_xhat)", "- along_one)"),),
        "layer_norm.float32_backward",
    ),
    Variant(
        "kernels.softmax/no_maximum",
        "the maximum is not subtracted",
        (("    m, total = _largest(x, lanes), ZERO", "    m, total = ZERO, ZERO"),),
        "softmax.extreme",
    ),
    Variant(
        "kernels.softmax/largest_of_whole_lanes",
        "numbers beyond the last whole 32 are left out of the maximum",
        (("for j in range(whole, x.size):", "for j in range(whole, whole):"),),
        "softmax.extreme",
    ),
    Variant(
        "kernels.softmax/mean_over_all",
        "the gradient is divided by the number of all targets, the ignored ones too",
        (("np.float32(float(dloss) / counted)", "np.float32(float(dloss) / targets.size)"),),
        "cross_entropy.float32_backward",
    ),
    Variant(
        "kernels.embedding/last_one_wins",
        "an id that occurs twice keeps the gradient of its last place",
        (("        to[c] += row[c]", "        to[c] = row[c]"),),
        "embedding.float32_backward",
    ),
    Variant(
        "kernels.vector_math/cubic",
        "the slope of GELU's cube lacks its 3",
        (("f(3 * 0.044715)", "f(0.044715)"),),
        "gelu.float32_backward",
    ),
    Variant(
        "kernels.elementwise/relu_at_zero",
        "ReLU lets the gradient through at 0",
        (("dx[i] = dout[i] * (ONE if x[i] > ZERO else ZERO)", "dx[i] = dout[i] * (ONE if x[i] >= ZERO else ZERO)"),),
        "relu.zero",
    ),
    Variant(
        "kernels.memory/given_out_twice",
        "memory is given out again while an array of it is still held",
        (("            memory = same.pop()\n", "            memory = same[-1]\n"),),
        "mlp.float32_backward",
    ),
    Variant(
        "kernels.optim/unscaled",
        "the factor of the clipping is not applied",
        (("gi = g[i] * scale", "gi = g[i]"),),
        "adamw.golden",
    ),
    Variant(
        "kernels.optim/decay_for_all",
        "vectors are decayed too",
        (("if is_decayed(array) else 1.0 for array in theta", "for array in theta"),),
        "adamw.golden",
    ),
    Variant(
        "kernels.optim/epsilon_inside_the_root",
        "eps is added under the root",
        (("(np.sqrt(vi) * root + eps)", "(np.sqrt(vi + eps) * root)"),),
        "adamw.golden",
    ),
]

WRONG_KERNELS = TILE + MATMUL + FLASH + OTHERS
