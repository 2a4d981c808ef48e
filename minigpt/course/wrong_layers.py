"""Wrong softmax, cross-entropy, linear layer and layer norm. Each line of data: name, what it does instead, the edits, the check that
kills it, where it was seen.
"""

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

WRONG_LAYERS = SOFTMAX + CROSS_ENTROPY + LINEAR + LAYER_NORM
