"""Wrong variants of inputs that are seldom tried: other ranks, long rows, narrow integers, NaN, shared
memory. All 36 survived every check of the layers that there was when they were written.
"""

from minigpt.course.variants import Variant

IMPORT = "import numpy as np\n"

DROPOUT_MODES = [
    Variant(
        "layers.attention/dropout_causal_only",
        "dropout on the weights is off without the causal mask",
        (("dropout_forward(p, dropout_p, rng)", "dropout_forward(p, dropout_p if causal else 0.0, rng)"),),
        "attention.dropout_modes",
    ),
    Variant(
        "layers.dropout/small_p_is_zero",
        "a p below 0.05 is treated as 0, and nothing is struck out",
        (("if p == 0.0:", "if p < 0.05:"),),
        "dropout.modes",
    ),
    Variant(
        "layers.multi_head_attention/dropout_off_in_window",
        "dropout is off in layers with a window",
        (
            (
                "attention_forward(q, k, v, causal, window, dropout_p, rng)",
                "attention_forward(\n        q, k, v, causal, window, dropout_p if window is None else 0.0, rng\n    )",
            ),
        ),
        "multi_head_attention.dropout_modes",
    ),
    Variant(
        "layers.dropout/draws_at_zero",
        "numbers are drawn at p = 0 too, and the generator's next numbers are different",
        (
            (
                "    if p == 0.0:\n        return None\n",
                "    if p == 0.0:\n"
                "        if rng is not None:\n"
                "            rng.random(shape, dtype=np.float32)\n"
                "        return None\n",
            ),
        ),
        "dropout.modes",
    ),
]

ONE_OF_MANY = [
    Variant(
        "layers.attention/fifth_head_backward",
        "dq of the fifth head and later ones is not scaled by 1 / sqrt(hs)",
        (
            (
                "dq = (dscores @ k) * scale",
                "dq = (dscores @ k) * np.where(np.arange(q.shape[1]) < 4, scale, 1.0)[:, None, None].astype(q.dtype)",
            ),
        ),
        "attention.long",
    ),
    Variant(
        "layers.attention/256_keys",
        "a query without a window sees 256 keys at most",
        (
            (
                "attention_mask(q.shape[2], k.shape[2], causal, window)",
                "attention_mask(q.shape[2], k.shape[2], causal, 256 if window is None else window)",
            ),
        ),
        "attention.long",
    ),
    Variant(
        "layers.cross_entropy/third_row_pulls",
        "ignored targets pull on the logits from the third row of the batch on",
        (("dlogits[~counted] = 0.0", "dlogits[:2][~counted[:2]] = 0.0"),),
        "cross_entropy.ranks",
    ),
]

LONG = [
    Variant(
        "layers.layer_norm/mean_of_1024",
        "the mean is taken over the first 1024 channels only",
        (("x.mean(axis=-1, keepdims=True)", "x[..., :1024].mean(axis=-1, keepdims=True)"),),
        "layer_norm.long",
    ),
    Variant(
        "layers.positions/float16_positions",
        "positions are counted in float16, and every second one above 2048 is lost",
        (("np.arange(T)[:, None]", "np.arange(T, dtype=np.float16)[:, None]"),),
        "sinusoidal_positions.long",
    ),
    Variant(
        "layers.gelu/sigmoid_for_large_arrays",
        "arrays above 4096 elements get the sigmoid approximation, 2e-2 away",
        (
            (
                "half = np.tanh(SQRT_2_OVER_PI * z * (1.0 + 0.044715 * (z * z)))",
                "bent = SQRT_2_OVER_PI * z * (1.0 + 0.044715 * (z * z)) if x.size <= 4096 else 0.851 * z\n"
                "        half = np.tanh(bent)",
            ),
        ),
        "gelu.long",
    ),
]

RANKS = [
    Variant(
        "layers.layer_norm/one_axis_backward",
        "with one axis, dweight and dbias are summed over the channels to a single number",
        (("tuple(range(dout.ndim - 1))", "tuple(range(dout.ndim - 1)) or None"),),
        "layer_norm.ranks",
    ),
    Variant(
        "layers.embedding/three_axes_backward",
        "with three axes of ids, only the first part of them is added to dweight",
        (
            (
                "np.add.at(dweight, ids.reshape(-1), dout.reshape(-1, C))",
                "n = ids.shape[0] * ids.shape[-1]\n    np.add.at(dweight, ids.reshape(-1)[:n], dout.reshape(-1, C)[:n])",
            ),
        ),
        "embedding.ranks",
    ),
    Variant(
        "layers.dropout/one_axis_together",
        "the numbers of an array with one axis are all struck out or all kept",
        (("rng.random(shape, dtype=np.float32)", "rng.random(shape if len(shape) > 1 else 1, dtype=np.float32)"),),
        "dropout.modes",
    ),
    Variant(
        "layers.cross_entropy/four_axes_mean",
        "with three axes of targets, the gradient is divided by the count of the first group only",
        (("int(counted.sum())", "int((counted if counted.ndim < 3 else counted[0]).sum())"),),
        "cross_entropy.ranks",
    ),
]

SINGLE = [
    Variant(
        "layers.layer_norm/one_channel",
        "a single channel is not centred: the result is its sign and not the bias",
        (
            (
                "centred = x - x.mean(axis=-1, keepdims=True)",
                "centred = x - x.mean(axis=-1, keepdims=True) if x.shape[-1] > 1 else x",
            ),
        ),
        "layer_norm.ones",
    ),
    Variant(
        "layers.cross_entropy/one_symbol",
        "a single logit is read as yes or no, and costs more than 0 nats",
        (("total = e.sum(axis=-1, keepdims=True)", "total = e.sum(axis=-1, keepdims=True) + (e.shape[-1] == 1)"),),
        "cross_entropy.ones",
    ),
    Variant(
        "layers.attention/one_query_without_window",
        "a single query, as in generation with a cache, sees beyond its window",
        (("np.abs(at - j) < window", "(np.abs(at - j) < window) | (Tq == 1)"),),
        "attention.options",
    ),
]

NARROW = [
    Variant(
        "layers.embedding/index_in_ids_dtype",
        "id * C is computed in the dtype of the ids: uint8 wraps at 256",
        (
            (
                "return weight.take(ids, axis=0), EmbeddingCache(ids, weight)",
                "C = weight.shape[1]\n"
                "    out = weight.take((ids * C)[..., None] + np.arange(C))\n"
                "    return out, EmbeddingCache(ids, weight)",
            ),
        ),
        "embedding.integers",
    ),
    Variant(
        "layers.cross_entropy/minus_one_is_255",
        "ignore_index is cast to the targets' dtype: -1 is 255 in uint8, and token 255 is ignored",
        (
            (
                "counted = targets != ignore_index  # (...)\n\n",
                "counted = targets != np.asarray(ignore_index).astype(targets.dtype)  # (...)\n\n",
            ),
        ),
        "cross_entropy.integers",
    ),
    Variant(
        "layers.cross_entropy/count_in_targets_dtype",
        "the targets are counted in their own dtype: the 200 of an int8 array are -56",
        (("int(counted.sum())", "int(counted.sum(dtype=targets.dtype))"),),
        "cross_entropy.integers",
    ),
]

REMEMBERED = [
    Variant(
        "layers.positions/one_table_for_all",
        "the table is remembered, and all callers share one array: who changes it changes it for all",
        (
            (IMPORT, f"from functools import cache\n\n{IMPORT}"),
            ("def sinusoidal_positions", "@cache\ndef sinusoidal_positions"),
        ),
        "sinusoidal_positions.sharing",
    ),
    Variant(
        "layers.softmax/same_array_again",
        "the last array is answered from memory, though it holds other numbers by now",
        (
            ("class SoftmaxCache", "LAST = [None, None]\n\n\nclass SoftmaxCache"),
            ("    e = np.exp(", "    if x is LAST[0]:\n        return LAST[1], SoftmaxCache(LAST[1])\n    e = np.exp("),
            ("    return p, SoftmaxCache(p)", "    LAST[:] = x, p\n    return p, SoftmaxCache(p)"),
        ),
        "softmax.sharing",
    ),
    Variant(
        "layers.linear/stale_transpose",
        "the transposed weight is remembered, and an optimizer's step in place does not reach it",
        (
            ("class LinearCache", "TRANSPOSED = {}\n\n\nclass LinearCache"),
            (
                "dx = (dout_rows @ weight.T)",
                "_, transposed = TRANSPOSED.setdefault(id(weight), (weight, weight.T.copy()))\n    dx = (dout_rows @ transposed)",
            ),
        ),
        "linear.sharing",
    ),
    Variant(
        "layers.embedding/one_gradient_buffer",
        "dweight is one array for all calls of a shape: the next backward overwrites the last one's",
        (
            ("class EmbeddingCache", "BUFFERS = {}\n\n\nclass EmbeddingCache"),
            (
                "dweight = np.zeros_like(weight)",
                "key = ids.shape, weight.shape, weight.dtype\n"
                "    dweight = BUFFERS.setdefault(key, np.zeros_like(weight))\n"
                "    dweight[:] = 0.0",
            ),
        ),
        "embedding.integers",
    ),
]

SHARED = [
    Variant(
        "layers.relu/positive_is_itself",
        "out is x itself where no number is negative",
        (
            (
                "return np.maximum(x, 0.0), ReluCache",
                "return x if (x >= 0).all() else np.maximum(x, 0.0), ReluCache",
            ),
        ),
        "relu.sharing",
    ),
    Variant(
        "layers.linear/dbias_is_dout",
        "with one row, dbias is a view of dout: a change of one changes the other",
        (("dout_rows.sum(axis=0) if", "(dout_rows[0] if len(dout_rows) == 1 else dout_rows.sum(axis=0)) if"),),
        "linear.sharing",
    ),
    Variant(
        "layers.attention/one_key_is_v",
        "with one key, out is v itself: a change of one changes the other",
        (
            (
                "out = dropped @ v  #",
                "alone = v.shape == q.shape and v.shape[2] == 1 and dropout_p == 0.0\n    out = v if alone else dropped @ v  #",
            ),
        ),
        "attention.sharing",
    ),
]

NAN = [
    Variant(
        "layers.relu/nan_is_zero",
        "NaN becomes 0",
        (("np.maximum(x, 0.0)", "np.fmax(x, 0.0)"),),
        "relu.nan",
    ),
    Variant(
        "layers.softmax/nan_is_uniform",
        "a row with NaN becomes uniform",
        (("    return p, SoftmaxCache(p)", "    p = np.where(np.isnan(p), 1.0 / p.shape[-1], p)\n    return p, SoftmaxCache(p)"),),
        "softmax.nan",
    ),
    Variant(
        "layers.cross_entropy/nan_left_out",
        "losses that are NaN are left out of the mean",
        (("-log_p[..., 0][counted].mean()", "-np.nanmean(log_p[..., 0][counted])"),),
        "cross_entropy.nan",
    ),
]

ONE_BIAS = [
    Variant(
        "layers.mlp/proj_bias_alone",
        "proj_bias is forgotten where fc_bias is None",
        (
            (
                "linear_forward(bent, proj_weight, proj_bias)",
                "linear_forward(bent, proj_weight, proj_bias if fc_bias is not None else None)",
            ),
        ),
        "mlp.options",
    ),
    Variant(
        "layers.layer_norm/eps_without_bias",
        "eps is always 1e-5 where there is no bias",
        (("float(eps))", "float(1e-5 if bias is None else eps))"),),
        "layer_norm.options",
    ),
]

VERY_NEGATIVE = [
    Variant(
        "layers.softmax/max_from_1e30",
        "the maximum starts from -1e30: a row of -3e38 becomes 0/0",
        (("x.max(axis=-1, keepdims=True)", "x.max(axis=-1, keepdims=True, initial=-1e30)"),),
        "softmax.huge",
    ),
    Variant(
        "layers.cross_entropy/max_from_zero",
        "the maximum starts from 0: a row of logits about -1000 costs log(0)",
        (("logits.max(axis=-1, keepdims=True)", "logits.max(axis=-1, keepdims=True, initial=0.0)"),),
        "cross_entropy.offsets",
    ),
]

ORDER = [
    Variant(
        "layers.linear/fortran_x",
        "an x in Fortran order is read in the order of memory: tokens and channels are mixed up",
        (("x.reshape(-1, n_in) @ weight", 'x.reshape(-1, n_in, order="A") @ weight'),),
        "linear.layouts",
    ),
    Variant(
        "layers.embedding/ids_in_memory_order",
        "a transposed array of ids is read in the order of memory in the backward",
        (("ids.reshape(-1)", 'ids.ravel(order="K")'),),
        "embedding.layouts",
    ),
]

WRONG_RARE = [
    *DROPOUT_MODES,
    *ONE_OF_MANY,
    *LONG,
    *RANKS,
    *SINGLE,
    *NARROW,
    *REMEMBERED,
    *SHARED,
    *NAN,
    *ONE_BIAS,
    *VERY_NEGATIVE,
    *ORDER,
]
