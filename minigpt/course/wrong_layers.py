"""Wrong layers. Each line of data: name, what it does instead, the edits, the check that kills it, where it was seen."""

from minigpt.course.variants import Variant

SOFTMAX = [
    Variant(
        "layers.softmax/other_axis",
        "the sum runs over the query axis, not over each row",
        (("p = e / e.sum(axis=-1, keepdims=True)", "p = e / e.sum(axis=max(-2, -e.ndim), keepdims=True)"),),
        "softmax.sums",
        "BUGS 03",
    ),
    Variant(
        "layers.softmax/no_max",
        "the maximum is not subtracted, and exp overflows",
        (("np.exp(x - x.max(axis=-1, keepdims=True))", "np.exp(x)"),),
        "softmax.extreme",
        "BUGS 04",
    ),
    Variant(
        "layers.softmax/global_max",
        "the maximum of the whole array is subtracted: rows far below it vanish to 0/0",
        (("x.max(axis=-1, keepdims=True)", "x.max()"),),
        "softmax.extreme",
    ),
    Variant(
        "layers.softmax/diagonal_backward",
        "the backward knows only the Jacobian's diagonal, p (1 - p)",
        (("return p * (dout - mean)", "return dout * p * (1.0 - p)"),),
        "softmax.gradient",
        "BUGS 30",
    ),
    Variant(
        "layers.softmax/plain_mean",
        "the backward subtracts the plain mean of dout, not its mean under p",
        (("mean = (dout * p).sum(axis=-1, keepdims=True)", "mean = dout.mean(axis=-1, keepdims=True)"),),
        "softmax.gradient",
        "BUGS, weak tests",
    ),
    Variant(
        "layers.softmax/eps_in_sum",
        "a small number is added to the sum 'for safety', and rows no longer sum to 1",
        (("p = e / e.sum(axis=-1, keepdims=True)", "p = e / (e.sum(axis=-1, keepdims=True) + 1e-6)"),),
        "softmax.sums",
    ),
    Variant(
        "layers.softmax/modifies_input",
        "the maximum is subtracted in place, in the caller's array",
        (("    e = np.exp(x - x.max(", "    x -= x.max(axis=-1, keepdims=True)\n    e = np.exp(x - x.max("),),
        "softmax.pure",
    ),
]

CROSS_ENTROPY = [
    Variant(
        "layers.cross_entropy/no_mean_backward",
        "the gradient is not divided by the number of targets",
        (("dlogits *= float(dloss) / int(counted.sum())", "dlogits *= float(dloss)"),),
        "cross_entropy.gradient",
        "BUGS 32",
    ),
    Variant(
        "layers.cross_entropy/no_minus_one",
        "nothing is taken away at the right token: the gradient is p alone",
        (("np.take_along_axis(p, y, axis=-1) - 1.0", "np.take_along_axis(p, y, axis=-1)"),),
        "cross_entropy.gradient",
    ),
    Variant(
        "layers.cross_entropy/turned",
        "the sign is turned: 1 at the right token, less p",
        (("dlogits *= float(dloss)", "dlogits *= -float(dloss)"),),
        "cross_entropy.gradient",
    ),
    Variant(
        "layers.cross_entropy/divided_by_all",
        "the gradient is divided by all targets, the ignored ones too",
        (("float(dloss) / int(counted.sum())", "float(dloss) / counted.size"),),
        "cross_entropy.gradient",
    ),
    Variant(
        "layers.cross_entropy/log_of_softmax",
        "log is taken of the finished softmax: log(0) is -inf",
        (
            (
                "log_p = np.take_along_axis(shifted, y, axis=-1) - np.log(total)",
                "log_p = np.log(np.take_along_axis(e / total, y, axis=-1))",
            ),
        ),
        "cross_entropy.extreme",
        "BUGS 33",
    ),
    Variant(
        "layers.cross_entropy/bits",
        "the loss is in bits, not in nats",
        (("loss = -log_p[..., 0][counted].mean()", "loss = -log_p[..., 0][counted].mean() / float(np.log(2.0))"),),
        "cross_entropy.uniform",
        "BUGS 35",
    ),
    Variant(
        "layers.cross_entropy/ignored_in_mean",
        "ignored targets count as losses of 0 in the mean",
        (("loss = -log_p[..., 0][counted].mean()", "loss = -(log_p[..., 0] * counted).mean()"),),
        "cross_entropy.ignored",
    ),
    Variant(
        "layers.cross_entropy/ignored_pulls",
        "ignored targets pull on the logits all the same",
        (("dlogits[~counted] = 0.0", "pass"),),
        "cross_entropy.ignored",
    ),
    Variant(
        "layers.cross_entropy/overwrites_cache",
        "the gradient is written into the cached probabilities: a second backward is wrong",
        (("dlogits = p.copy()", "dlogits = p"),),
        "cross_entropy.scaled",
    ),
    Variant(
        "layers.cross_entropy/forgets_dloss",
        "the upstream gradient is not used: gradient accumulation cannot scale it",
        (("float(dloss) / int(counted.sum())", "1.0 / int(counted.sum())"),),
        "cross_entropy.scaled",
    ),
    Variant(
        "layers.cross_entropy/no_max",
        "the maximum is not subtracted, and exp overflows",
        (("shifted = logits - logits.max(axis=-1, keepdims=True)", "shifted = logits - 0.0"),),
        "cross_entropy.extreme",
    ),
    Variant(
        "layers.cross_entropy/capped",
        "a loss is at most 1000",
        (("loss = -log_p[..., 0][counted].mean()", "loss = -np.maximum(log_p[..., 0][counted], -1000.0).mean()"),),
        "cross_entropy.edges",
    ),
    Variant(
        "layers.cross_entropy/ignored_by_product",
        "an ignored row's gradient is multiplied by 0, which NaN survives",
        (("dlogits[~counted] = 0.0", "dlogits *= counted[..., None]"),),
        "cross_entropy.edges",
    ),
]

LINEAR = [
    Variant(
        "layers.linear/mean_dbias",
        "the bias's gradient is the mean over tokens, not the sum",
        (("dout_rows.sum(axis=0)", "dout_rows.mean(axis=0)"),),
        "linear.gradient",
        "BUGS 22",
    ),
    Variant(
        "layers.linear/dweight_transposed",
        "dweight is transposed where the matrix is square",
        (("    return dx, dweight, dbias", "    return dx, dweight.T if n_in == n_out else dweight, dbias"),),
        "linear.gradient",
        "BUGS 23",
    ),
    Variant(
        "layers.linear/dx_without_transpose",
        "dx uses weight where its transpose is meant; a square matrix hides it",
        (("dout_rows @ weight.T", "dout_rows @ (weight if n_in == n_out else weight.T)"),),
        "linear.gradient",
    ),
    Variant(
        "layers.linear/mean_dweight",
        "dweight is averaged over the tokens",
        (("dweight = x_rows.T @ dout_rows", "dweight = x_rows.T @ dout_rows / len(x_rows)"),),
        "linear.gradient",
    ),
    Variant(
        "layers.linear/first_sequence_only",
        "dweight sees the first token's rows alone where there are several sequences",
        (
            (
                "dweight = x_rows.T @ dout_rows",
                "dweight = x_rows[: max(1, len(x_rows) // 2)].T @ dout_rows[: max(1, len(x_rows) // 2)]",
            ),
        ),
        "linear.gradient",
    ),
]

LAYER_NORM = [
    Variant(
        "layers.layer_norm/bessel",
        "the variance is divided by C - 1",
        (("var = np.square(centred).mean(axis=-1, keepdims=True)", "var = centred.var(axis=-1, ddof=1, keepdims=True)"),),
        "layer_norm.biased_variance",
        "BUGS 16",
    ),
    Variant(
        "layers.layer_norm/eps_outside",
        "eps is added to the standard deviation, outside the root",
        (("1.0 / np.sqrt(var + float(eps))", "1.0 / (np.sqrt(var) + float(eps))"),),
        "layer_norm.eps_inside",
        "BUGS 17",
    ),
    Variant(
        "layers.layer_norm/eps_hard_coded",
        "eps is 1e-5 whatever was asked",
        (("var + float(eps)", "var + 1e-5"),),
        "layer_norm.values",
    ),
    Variant(
        "layers.layer_norm/constants_backward",
        "the backward takes mean and deviation as constants",
        (("dx = rstd * (dxhat - along_one - xhat * along_xhat)", "dx = rstd * dxhat"),),
        "layer_norm.gradient",
        "BUGS 19",
    ),
    Variant(
        "layers.layer_norm/third_term",
        "the backward forgets that the deviation depends on x",
        (("dxhat - along_one - xhat * along_xhat", "dxhat - along_one"),),
        "layer_norm.gradient",
        "BUGS, weak tests",
    ),
    Variant(
        "layers.layer_norm/second_term",
        "the backward forgets that the mean depends on x",
        (("dxhat - along_one - xhat * along_xhat", "dxhat - xhat * along_xhat"),),
        "layer_norm.gradient",
    ),
    Variant(
        "layers.layer_norm/gain_forgotten",
        "dx is computed without the gain",
        (("dxhat = dout * weight", "dxhat = dout"),),
        "layer_norm.gradient",
        "BUGS 20",
    ),
    Variant(
        "layers.layer_norm/gain_outside",
        "the gain is multiplied on after the means, not inside them: right where the gain is 1",
        (("dxhat = dout * weight", "dxhat = dout"), ("dx = rstd * (", "dx = rstd * weight * (")),
        "layer_norm.gradient",
        "public",
    ),
    Variant(
        "layers.layer_norm/one_pass_variance",
        "the variance is E[x^2] - E[x]^2, which loses all digits where the mean is large",
        (
            (
                "var = np.square(centred).mean(axis=-1, keepdims=True)",
                "var = np.square(x).mean(axis=-1, keepdims=True) - np.square(x.mean(axis=-1, keepdims=True))",
            ),
        ),
        "layer_norm.extreme",
    ),
    Variant(
        "layers.layer_norm/over_tokens",
        "the mean is taken over the tokens, as in batch normalization",
        (("centred = x - x.mean(axis=-1, keepdims=True)", "centred = x - x.mean(axis=max(-2, -x.ndim), keepdims=True)"),),
        "layer_norm.invariant",
    ),
    Variant(
        "layers.layer_norm/mean_dweight",
        "the gain's gradient is a mean over tokens",
        (("dweight = (dout * xhat).sum(axis=tokens)", "dweight = (dout * xhat).mean(axis=tokens)"),),
        "layer_norm.gradient",
    ),
    Variant(
        "layers.layer_norm/dbias_with_gain",
        "the bias's gradient is multiplied by the gain",
        (("dbias = dout.sum(axis=tokens)", "dbias = (dout * weight).sum(axis=tokens)"),),
        "layer_norm.gradient",
    ),
    Variant(
        "layers.layer_norm/variance_for_deviation",
        "x is divided by the variance, not by its root",
        (("1.0 / np.sqrt(var + float(eps))", "1.0 / (var + float(eps))"),),
        "layer_norm.golden",
    ),
]

ACTIVATIONS = [
    Variant(
        "layers.gelu/constant_044715",
        "the constant is 0.44715, forward and backward",
        (("(1.0 + 0.044715 * (z * z))", "(1.0 + 0.44715 * (z * z))"), ("(3 * 0.044715)", "(3 * 0.44715)")),
        "gelu.golden",
        "BUGS 25",
    ),
    Variant(
        "layers.gelu/root_of_two_over_pi",
        "the factor is sqrt(2)/pi, not sqrt(2/pi)",
        (("SQRT_2_OVER_PI = math.sqrt(2.0 / math.pi)", "SQRT_2_OVER_PI = math.sqrt(2.0) / math.pi"),),
        "gelu.golden",
        "BUGS 26",
    ),
    Variant(
        "layers.gelu/sigmoid_form",
        "x sigmoid(1.702 x) is called GELU",
        (("half = np.tanh(SQRT_2_OVER_PI * z * (1.0 + 0.044715 * (z * z)))", "half = np.tanh(0.851 * x)"),),
        "gelu.golden",
        "BUGS 27",
    ),
    Variant(
        "layers.gelu/mixed_pair",
        "the tanh form's forward has the exact form's backward",
        (
            (
                "return dout * (0.5 * (1.0 + half) + 0.5 * x * dt_dx)",
                "return dout * (0.5 * (1.0 + erf(x * math.sqrt(0.5))) + x * np.exp(-0.5 * x * x) * (0.5 * SQRT_2_OVER_PI))",
            ),
        ),
        "gelu.gradient",
        "BUGS 29",
    ),
    Variant(
        "layers.gelu/inner_derivative",
        "the 3 of the cube's derivative is forgotten",
        (("(3 * 0.044715)", "0.044715"),),
        "gelu.gradient",
    ),
    Variant(
        "layers.gelu/first_term_only",
        "the product rule is applied by half: tanh counts as a constant",
        (("0.5 * (1.0 + half) + 0.5 * x * dt_dx", "0.5 * (1.0 + half)"),),
        "gelu.gradient",
    ),
    Variant(
        "layers.gelu/slope_is_the_gate",
        "the product rule is applied by half: the slope of the exact form is taken for Phi(x) alone",
        (("return dout * (half + x * phi)", "return dout * half"),),
        "gelu.gradient",
    ),
    Variant(
        "layers.gelu/bell_too_high",
        "the bell curve is not divided by the root of 2 pi",
        (("phi = np.exp(-0.5 * (z * z)) * (1.0 / math.sqrt(2.0 * math.pi))", "phi = np.exp(-0.5 * (z * z))"),),
        "gelu.gradient",
    ),
    Variant(
        "layers.gelu/half_lost",
        "the 1/2 before the slope of tanh is forgotten",
        (("+ 0.5 * x * dt_dx", "+ x * dt_dx"),),
        "gelu.gradient",
    ),
    Variant(
        "layers.gelu/slope_of_the_argument",
        "the chain rule ends at tanh: the slope of its argument is forgotten",
        (("dt_dx = (1.0 - half * half) * du_dx", "dt_dx = 1.0 - half * half"),),
        "gelu.gradient",
    ),
    Variant(
        "layers.gelu/forgets_dout",
        "the gradient that arrives is not used",
        (
            ("return dout * (0.5 * (1.0 + half) + 0.5 * x * dt_dx)", "return 0.5 * (1.0 + half) + 0.5 * x * dt_dx"),
            ("return dout * (half + x * phi)", "return half + x * phi"),
        ),
        "gelu.gradient",
    ),
    Variant(
        "layers.gelu/always_tanh",
        "the exact form is asked for, and the tanh form computed",
        (
            (
                '    if approximate == "tanh":\n        z = np.clip(x, -10.0, 10.0)  #',
                "    if True:\n        z = np.clip(x, -10.0, 10.0)  #",
            ),
        ),
        "gelu.golden",
    ),
    Variant(
        "layers.gelu/circulating_formula",
        "x sigmoid(1 + x tanh x), which circulates as GELU",
        (("out = 0.5 * x * (1.0 + half)", "out = x / (1.0 + np.exp(-(1.0 + x * np.tanh(x))))"),),
        "gelu.symmetry",
        "FORMULAS 4.1",
    ),
    Variant(
        "layers.gelu/numpy_constant",
        "the constant is a NumPy float64, which promotes float32",
        (("SQRT_2_OVER_PI = math.sqrt(2.0 / math.pi)", "SQRT_2_OVER_PI = np.sqrt(2.0 / np.pi)"),),
        "gelu.float32",
        "BUGS, dtype",
    ),
    Variant(
        "layers.relu/one_at_zero",
        "the gradient at 0 is 1",
        (("ReluCache(x > 0, x.dtype)", "ReluCache(x >= 0, x.dtype)"),),
        "relu.zero",
    ),
    Variant(
        "layers.relu/guided",
        "negative gradients are cut as well (guided backpropagation)",
        (("return dout * positive", "return np.maximum(dout, 0.0) * positive"),),
        "relu.gradient",
    ),
    Variant(
        "layers.gelu/overflowing_square",
        "the square of a huge x overflows, and its gradient is NaN",
        (("        z = np.clip(x, -10.0, 10.0)\n        du_dx", "        z = x\n        du_dx"),),
        "gelu.digits",
    ),
    Variant(
        "layers.gelu/short_erf",
        "erf is cut off at 4.5 and fitted by a short polynomial",
        (("np.minimum(np.abs(x), 6.0)", "np.minimum(np.abs(x), 4.5)"),),
        "gelu.digits",
    ),
    Variant(
        "layers.relu/any_dout",
        "an upstream gradient of another dtype is let through",
        (('"relu", dout, positive.shape, dtype)', '"relu", dout, positive.shape, dout.dtype)'),),
        "relu.bad_dout",
    ),
]

EMBEDDING = [
    Variant(
        "layers.embedding/fancy_add",
        "dweight[ids] += dout counts a repeated token once",
        (("np.add.at(dweight, ids.reshape(-1), dout.reshape(-1, C))", "dweight[ids.reshape(-1)] += dout.reshape(-1, C)"),),
        "embedding.repeated",
        "BUGS 36",
    ),
    Variant(
        "layers.embedding/averaged",
        "a repeated token's gradients are averaged",
        (
            (
                "    return dweight",
                "    return dweight / np.maximum(np.bincount(ids.reshape(-1), minlength=len(weight)), 1)[:, None]",
            ),
        ),
        "embedding.repeated",
    ),
    Variant(
        "layers.embedding/scaled",
        "the rows are multiplied by sqrt(C), as in Vaswani et al. and not in GPT",
        (("return weight.take(ids, axis=0), Emb", "return weight.take(ids, axis=0) * weight.shape[1] ** 0.5, Emb"),),
        "embedding.values",
    ),
    Variant(
        "layers.embedding/negative_ids",
        "an id of -1 silently reads the last row",
        (('    expect.ids_below("embedding", "ids", ids, weight.shape[0], "the rows of weight")\n', ""),),
        "embedding.bad_input",
    ),
    Variant(
        "layers.embedding/small_ids",
        "ids are held in one byte",
        (("np.add.at(dweight, ids.reshape(-1),", "np.add.at(dweight, ids.reshape(-1).astype(np.uint8),"),),
        "embedding.edges",
    ),
    Variant(
        "layers.embedding/window_onto_the_table",
        "ids in order are answered by a view of the table",
        (
            (
                "return weight.take(ids, axis=0), Emb",
                "return (weight[: len(ids)] if np.array_equal(ids, np.arange(len(ids))) else weight.take(ids, axis=0)), Emb",
            ),
        ),
        "embedding.edges",
    ),
]

POSITIONS = [
    Variant(
        "layers.positions/concatenated",
        "all sines come first, then all cosines",
        (("np.stack([np.sin(angle), np.cos(angle)], axis=-1)", "np.concatenate([np.sin(angle), np.cos(angle)], axis=-1)"),),
        "sinusoidal_positions.golden",
        "BUGS 41",
    ),
    Variant(
        "layers.positions/sines_only",
        "there are sines and no cosines",
        (("[np.sin(angle), np.cos(angle)]", "[np.sin(angle), np.sin(angle)]"),),
        "sinusoidal_positions.properties",
        "BUGS 43",
    ),
    Variant(
        "layers.positions/rescaled",
        "positions are scaled to -1 .. 1, so that a row depends on T",
        (("pos = np.arange(T)[:, None]", "pos = 2.0 * np.arange(T)[:, None] / max(T - 1, 1) - 1.0"),),
        "sinusoidal_positions.properties",
        "BUGS 45",
    ),
    Variant(
        "layers.positions/from_one",
        "the first position is 1",
        (("pos = np.arange(T)[:, None]", "pos = np.arange(1, T + 1)[:, None]"),),
        "sinusoidal_positions.golden",
        "BUGS, weak tests",
    ),
    Variant(
        "layers.positions/channel_exponent",
        "the exponent counts channels, 2 times too fast",
        (("(-np.arange(0, C, 2) / C)", "(-2.0 * np.arange(0, C, 2) / C)"),),
        "sinusoidal_positions.golden",
    ),
    Variant(
        "layers.positions/tensor2tensor_spacing",
        "the wavelengths are spaced by 1/(C/2 - 1), as in tensor2tensor's code",
        (("(-np.arange(0, C, 2) / C)", "(-np.arange(C // 2) / max(C // 2 - 1, 1))"),),
        "sinusoidal_positions.golden",
    ),
    Variant(
        "layers.positions/come_again",
        "positions begin again after 64",
        (("pos = np.arange(T)[:, None]", "pos = np.arange(T)[:, None] % 64"),),
        "sinusoidal_positions.long",
    ),
]

DROPOUT = [
    Variant(
        "layers.dropout/unscaled",
        "what is kept is not scaled up, forward and backward",
        (("x * keep * (1.0 / (1.0 - float(p)))", "x * keep"), ("dout * keep * (1.0 / (1.0 - p))", "dout * keep")),
        "dropout.properties",
        "BUGS 56",
    ),
    Variant(
        "layers.dropout/scaled_by_p",
        "what is kept is scaled by 1/p",
        (
            ("x * keep * (1.0 / (1.0 - float(p)))", "x * keep * (1.0 / float(p))"),
            ("dout * keep * (1.0 / (1.0 - p))", "dout * keep * (1.0 / p)"),
        ),
        "dropout.properties",
        "BUGS 57",
    ),
    Variant(
        "layers.dropout/inverted_mask",
        "p is the probability of keeping",
        (("dtype=np.float32) >= p", "dtype=np.float32) < p"),),
        "dropout.properties",
    ),
    Variant(
        "layers.dropout/backward_without_mask",
        "the gradient passes through what was struck out",
        (("return dout * keep * (1.0 / (1.0 - p))", "return dout * (1.0 / (1.0 - p))"),),
        "dropout.gradient",
    ),
    Variant(
        "layers.dropout/backward_unscaled",
        "the gradient is masked and not scaled",
        (("return dout * keep * (1.0 / (1.0 - p))", "return dout * keep"),),
        "dropout.gradient",
    ),
    Variant(
        "layers.dropout/whole_rows",
        "whole rows are struck out together",
        (
            ("rng.random(shape, dtype=np.float32)", "rng.random((*shape[:-1], 1), dtype=np.float32)"),
            ("DropoutCache(keep, ", "DropoutCache(keep & np.ones(x.shape, bool), "),
        ),
        "dropout.properties",
    ),
    Variant(
        "layers.dropout/global_random",
        "the mask comes from NumPy's global state: no seed fixes it",
        (("rng.random(shape, dtype=np.float32)", "np.random.random(shape)"),),
        "dropout.properties",
    ),
    Variant(
        "layers.dropout/float64_mask",
        "the mask is a float64 array, which promotes float32",
        (("return x * keep * (1.0", "return x * keep.astype(np.float64) * (1.0"),),
        "dropout.properties",
    ),
]

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

MLP = [
    Variant(
        "layers.mlp/wrong_gelu",
        "gelu_erf computes the tanh form",
        (('"none" if activation == "gelu_erf" else "tanh"', '"tanh"'),),
        "mlp.pytorch",
    ),
    Variant(
        "layers.mlp/relu_backward_always",
        "the activation's derivative is left out of the backward",
        (("dwide = activation_backward(dbent, activation_cache)", "dwide = dbent"),),
        "mlp.gradient",
    ),
    Variant(
        "layers.mlp/gradients_out_of_order",
        "the gradients of the two layers are swapped",
        (
            (
                "return dx, dfc_weight, dfc_bias, dproj_weight, dproj_bias",
                "return dx, dproj_weight.T, dfc_bias, dfc_weight.T, dproj_bias",
            ),
        ),
        "mlp.gradient",
    ),
    Variant(
        "layers.mlp/bias_forgotten",
        "the second layer's bias is not added",
        (
            (
                "linear_forward(bent, proj_weight, proj_bias)",
                "linear_forward(bent, proj_weight, None if proj_bias is None else 0 * proj_bias)",
            ),
        ),
        "mlp.parts",
    ),
]

WRONG_LAYERS = [
    *SOFTMAX,
    *CROSS_ENTROPY,
    *LINEAR,
    *LAYER_NORM,
    *ACTIVATIONS,
    *EMBEDDING,
    *POSITIONS,
    *DROPOUT,
    *ATTENTION,
    *HEADS,
    *MLP,
]
