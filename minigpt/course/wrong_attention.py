"""Wrong attention, of one head and of many. The form is that of wrong_layers.py."""

from minigpt.course.variants import Variant

SCORES = "scores = (q @ k.swapaxes(-1, -2)) * scale"
DQ, DK = "dq = (dscores @ k) * scale", "dk = (dscores.swapaxes(-1, -2) @ q) * scale"
MASKED = "scores = np.where(visible, scores, -np.inf)"
DV = "dv = dropped.swapaxes(-1, -2) @ dout"
ATTENTION = [
    Variant(
        "layers.attention/unscaled",
        "scores are not divided by sqrt(hs), forward and backward",
        ((SCORES, SCORES[:-8]), (DQ, DQ[:-8]), (DK, DK[:-8])),
        "attention.scale",
        "BUGS 01",
    ),
    Variant(
        "layers.attention/scale_by_keys",
        "scores are divided by the root of the number of keys, not of hs",
        ((SCORES, "scale = 1.0 / math.sqrt(k.shape[2])\n    " + SCORES),),
        "attention.scale",
    ),
    Variant(
        "layers.attention/scale_not_rooted",
        "scores are divided by hs, not by its root",
        ((SCORES, SCORES + " * scale"), (DQ, DQ + " * scale"), (DK, DK + " * scale")),
        "attention.scale",
    ),
    Variant(
        "layers.attention/mask_after_softmax",
        "the mask is applied to the weights, which then no longer sum to 1",
        (
            (MASKED, "pass"),
            (
                "    dropped, dropout_cache = dropout_forward(p,",
                "    p = p * visible\n    dropped, dropout_cache = dropout_forward(p,",
            ),
        ),
        "attention.weights_sum_to_one",
        "BUGS 05",
    ),
    Variant(
        "layers.attention/mask_multiplies",
        "hidden scores become 0, not -inf",
        ((MASKED, "scores = scores * visible"),),
        "attention.causality",
        "BUGS 06",
    ),
    Variant(
        "layers.attention/strict_mask",
        "a token cannot see itself",
        (("visible &= j <= at", "visible &= j < at"),),
        "attention.causality",
        "BUGS 07",
    ),
    Variant(
        "layers.attention/mask_transposed",
        "a token sees the future and not the past",
        (("visible &= j <= at", "visible &= j >= at"),),
        "attention.causality",
        "BUGS 09",
    ),
    Variant(
        "layers.attention/finite_mask",
        "hidden scores are -1e4, which large scores can beat",
        ((MASKED, "scores = np.where(visible, scores, -1e4)"),),
        "attention.extreme",
        "BUGS 11",
    ),
    Variant(
        "layers.attention/upper_left",
        "with Tq < Tk, the mask is aligned to the upper left corner",
        (("np.arange(Tq)[:, None] + (Tk - Tq)", "np.arange(Tq)[:, None]"),),
        "attention.causality",
    ),
    Variant(
        "layers.attention/window_one_more",
        "a window of w shows w + 1 keys",
        (("np.abs(at - j) < window", "np.abs(at - j) <= window"),),
        "attention.causality",
    ),
    Variant(
        "layers.attention/window_ignored",
        "the window is not used",
        (("if window is not None:\n        visible", "if False:\n        visible"),),
        "attention.causality",
    ),
    Variant(
        "layers.attention/window_past_only",
        "without causal, the window cuts the past and leaves the whole future",
        (("np.abs(at - j) < window", "at - j < window"),),
        "attention.values",
    ),
    Variant(
        "layers.attention/unscaled_backward",
        "1/sqrt(hs) is missing in dq and dk",
        ((DQ, DQ[:-8]), (DK, DK[:-8])),
        "attention.gradient",
        "BUGS 80",
    ),
    Variant(
        "layers.attention/dv_untransposed",
        "dv is P dout, not its transpose's product",
        ((DV, "dv = (dropped if q.shape == k.shape else dropped.swapaxes(-1, -2)) @ dout"),),
        "attention.gradient",
        "BUGS 81",
    ),
    Variant(
        "layers.attention/dk_reshaped",
        "dk is q^T dS reshaped, where dS^T q is meant",
        ((DK, "dk = (q.swapaxes(-1, -2) @ dscores).reshape(k.shape) * scale"),),
        "attention.gradient",
        "public",
    ),
    Variant(
        "layers.attention/dv_before_dropout",
        "dv takes the weights before dropout",
        ((DV, "dv = softmax_cache.p.swapaxes(-1, -2) @ dout"),),
        "attention.gradient",
        "public",
    ),
    Variant(
        "layers.attention/dropout_not_backward",
        "the gradient does not pass through dropout's mask",
        (("dp = dropout_backward(ddropped, dropout_cache)", "dp = ddropped"),),
        "attention.gradient",
    ),
    Variant(
        "layers.attention/dropout_not_forward",
        "dropout on the weights is left out",
        (("dropout_forward(p, dropout_p, rng)", "dropout_forward(p, 0.0, rng)"),),
        "attention.dropout",
    ),
    Variant(
        "layers.attention/dropout_on_scores",
        "dropout acts on the scores, before the softmax",
        (
            (
                "p, softmax_cache = softmax_forward(scores)",
                "scores = np.where(visible, dropout_forward(np.where(visible, scores, 0.0), dropout_p, rng)[0], -np.inf)\n    p, softmax_cache = softmax_forward(scores)",
            ),
            ("dropout_forward(p, dropout_p, rng)", "dropout_forward(p, 0.0, rng)"),
        ),
        "attention.gradient",
    ),
    Variant(
        "layers.attention/softmax_not_backward",
        "the backward takes the scores' gradient for that of the weights",
        (("dscores = softmax_backward(dp, softmax_cache)", "dscores = dp"),),
        "attention.gradient",
    ),
    Variant(
        "layers.attention/dk_and_dv_swapped",
        "the gradients come back in the order q, v, k",
        (("return dq, dk, dv", "return dq, dv, dk"),),
        "attention.gradient",
    ),
    Variant(
        "layers.attention/scores_transposed",
        "scores are k q^T where the numbers of queries and keys allow it",
        ((SCORES, "scores = ((q @ k.swapaxes(-1, -2)) if q.shape != k.shape else (k @ q.swapaxes(-1, -2))) * scale"),),
        "attention.values",
    ),
    Variant(
        "layers.attention/numpy_scale",
        "the scale is a NumPy float64, which promotes float32",
        (("    scale = 1.0 / math.sqrt(q.shape[-1])\n    scores", "    scale = 1.0 / np.sqrt(q.shape[-1])\n    scores"),),
        "attention.float32",
        "BUGS, dtype",
    ),
    Variant(
        "layers.attention/any_number_of_queries",
        "more queries than keys are let through",
        (("    if Tq > Tk:\n", "    if False:\n"),),
        "attention.bad_input",
    ),
    Variant(
        "layers.attention/half_dropout",
        "dropout on the weights is half as strong as asked",
        (("dropout_forward(p, dropout_p, rng)", "dropout_forward(p, dropout_p / 2, rng)"),),
        "attention.edges",
    ),
    Variant(
        "layers.attention/one_mask_for_all_heads",
        "all heads share one dropout mask",
        (
            (
                "dropped, dropout_cache = dropout_forward(p, dropout_p, rng)",
                "dropped, dropout_cache = dropout_forward(p, dropout_p, rng)\n    if dropout_p > 0:\n        dropout_cache = dropout_cache._replace(keep=dropout_cache.keep[:, :1] & np.ones(p.shape, bool))\n        dropped = dropout_backward(p, dropout_cache)",
            ),
        ),
        "attention.edges",
    ),
    Variant(
        "layers.attention/broadcast_keys",
        "keys of one head are spread over all heads, and get a gradient of the wrong shape",
        (('(B, nh, Tk, hs), "(B', '(*k.shape[:2], Tk, hs), "(B'),),
        "attention.bad_input",
    ),
    Variant(
        "layers.attention/mask_minus_1e9",
        "hidden scores are -1e9, which huge scores can beat",
        (("scores = np.where(visible, scores, -np.inf)", "scores = np.where(visible, scores, -1e9)"),),
        "attention.edges",
    ),
    Variant(
        "layers.attention/window_of_three",
        "no window shows more than 2 keys",
        (("np.abs(at - j) < window", "np.abs(at - j) < min(window, 2)"),),
        "attention.values",
    ),
    Variant(
        "layers.attention/causal_when_rectangular",
        "with Tq < Tk the mask is causal, asked for or not",
        (("    if causal:\n", "    if causal or Tq < Tk:\n"),),
        "attention.values",
    ),
]

SPLIT = "qkv.reshape(B, T, 3, n_head, C3 // (3 * n_head)).transpose(2, 0, 3, 1, 4)"
HEADS = [
    Variant(
        "layers.multi_head_attention/split_by_reshape",
        "heads are split by reshape alone, which mixes tokens and channels",
        ((SPLIT, "np.stack([part.reshape(B, n_head, T, -1) for part in np.split(qkv, 3, axis=-1)])"),),
        "multi_head_attention.heads",
        "BUGS 12",
    ),
    Variant(
        "layers.multi_head_attention/merge_by_reshape",
        "heads are merged by reshape alone",
        (("heads.transpose(0, 2, 1, 3).reshape(B, T, nh * hs)", "heads.reshape(B, T, nh * hs)"),),
        "multi_head_attention.heads",
        "BUGS 13",
    ),
    Variant(
        "layers.multi_head_attention/packed_by_head",
        "qkv is read head by head (q, k, v of head 0, then of head 1), as other models pack it",
        ((SPLIT, "qkv.reshape(B, T, n_head, 3, C3 // (3 * n_head)).transpose(3, 0, 2, 1, 4)"),),
        "multi_head_attention.heads",
    ),
    Variant(
        "layers.multi_head_attention/k_before_q",
        "keys are taken for queries and queries for keys",
        (("q, k, v = split_heads(qkv, n_head)", "k, q, v = split_heads(qkv, n_head)"),),
        "multi_head_attention.values",
    ),
    Variant(
        "layers.multi_head_attention/gradients_out_of_order",
        "dqkv holds dk before dq",
        (("[merge_heads(dq), merge_heads(dk), merge_heads(dv)]", "[merge_heads(dk), merge_heads(dq), merge_heads(dv)]"),),
        "multi_head_attention.gradient",
    ),
    Variant(
        "layers.multi_head_attention/dheads_by_reshape",
        "the upstream gradient is split by reshape alone",
        (("dout.reshape(B, T, nh, C // nh).transpose(0, 2, 1, 3)", "dout.reshape(B, nh, T, C // nh)"),),
        "multi_head_attention.gradient",
    ),
    Variant(
        "layers.multi_head_attention/always_causal",
        "causal=False is not passed on",
        (("attention_forward(q, k, v, causal,", "attention_forward(q, k, v, True,"),),
        "multi_head_attention.values",
    ),
    Variant(
        "layers.multi_head_attention/window_lost",
        "the window is not passed on",
        (("causal, window, dropout_p, rng)  # (B, nh", "causal, None, dropout_p, rng)  # (B, nh"),),
        "multi_head_attention.values",
    ),
    Variant(
        "layers.multi_head_attention/three_not_checked",
        "a last axis that is no 3C is let through",
        (("if qkv.shape[-1] % (3 * n_head):", "if qkv.shape[-1] % n_head:"),),
        "multi_head_attention.bad_input",
    ),
]

WRONG_ATTENTION = ATTENTION + HEADS
