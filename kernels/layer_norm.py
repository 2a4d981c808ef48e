"""Layer normalization: each token's channels pass through the L1 cache once, forward and backward.

The cache keeps x, mean and rstd of each token; xhat is computed again in the backward pass, which
costs less than reading it. The sums of dweight and dbias over all tokens are taken by each thread
for its own tokens, then added in the threads' order. Source of the corrected mean and variance:
Chan, Golub and LeVeque 1983, "Algorithms for Computing the Sample Variance".
"""

from typing import NamedTuple

import numba
import numpy as np

from kernels.expect import expect_array, expect_cache, flat, float32
from kernels.jit import DISABLED, kernel, part
from kernels.memory import empty, workspace
from kernels.vector_math import minus, one_over_root
from minigpt import expect
from minigpt.layers.layer_norm import expect_layer_norm

prange = range if DISABLED else numba.prange
ZERO, ONE = np.float32(0.0), np.float32(1.0)
NO_BIAS = np.empty(0, np.float32)


class LayerNormCache(NamedTuple):
    """What the backward pass needs of the forward pass."""

    x: np.ndarray  # (..., C)
    weight: np.ndarray  # (C,)
    mean: np.ndarray  # (tokens,)
    rstd: np.ndarray  # (tokens,), 1 / sqrt(var + eps)
    has_bias: bool


@part
def _normalize(x, weight, bias, eps, out):
    """One token (C,); returns its mean and rstd."""
    C, total, squares, drift = x.size, ZERO, ZERO, ZERO
    for c in range(C):
        total += x[c]
    mean = total / np.float32(C)
    for c in range(C):
        centred = minus(x[c], mean)
        squares += centred * centred
        # 0, were the mean exact: far from zero it is not, and what is left corrects both
        drift += centred
    drift /= np.float32(C)
    mean += drift
    rstd = one_over_root(squares / np.float32(C) - drift * drift + eps)
    if bias.size:
        for c in range(C):
            out[c] = minus(x[c], mean) * rstd * weight[c] + bias[c]
    else:
        for c in range(C):
            out[c] = minus(x[c], mean) * rstd * weight[c]
    return mean, rstd


@kernel
def _forward(x, C, weight, bias, eps, out, means, rstds, shares):
    tokens = x.size // C
    for share in prange(shares):
        for n in range(tokens * share // shares, tokens * (share + 1) // shares):
            # a slice's indices begin at 0: LLVM need not ask whether one is negative
            here = slice(n * C, n * C + C)
            means[n], rstds[n] = _normalize(x[here], weight, bias, eps, out[here])


@part
def _token_backward(x, dout, weight, mean, rstd, dx, dweight, dbias):
    """One token's dx (C,); its share of dweight and dbias is added to theirs."""
    C, along_one, along_xhat = x.size, ZERO, ZERO
    for c in range(C):
        dxhat = dout[c] * weight[c]
        # kept, so that both loops have the same rounded number: of one channel dx is then exactly 0
        dx[c] = dxhat
        along_one += dxhat
        along_xhat += dxhat * (minus(x[c], mean) * rstd)
    along_one /= np.float32(C)
    along_xhat /= np.float32(C)
    for c in range(C):
        xhat = minus(x[c], mean) * rstd
        dx[c] = rstd * (dx[c] - along_one - xhat * along_xhat)
        dweight[c] += dout[c] * xhat
        dbias[c] += dout[c]


@kernel
def _backward(x, dout, C, weight, means, rstds, dx, sums, shares):
    tokens = x.size // C
    for share in prange(shares):
        dweight, dbias = (
            sums[2 * share * C : (2 * share + 1) * C],
            sums[(2 * share + 1) * C : (2 * share + 2) * C],
        )
        dweight[:] = ZERO
        dbias[:] = ZERO
        for n in range(tokens * share // shares, tokens * (share + 1) // shares):
            here = slice(n * C, n * C + C)
            _token_backward(
                x[here], dout[here], weight, means[n], rstds[n], dx[here], dweight, dbias
            )


def layer_norm_forward(x, weight, bias=None, eps=1e-5):
    """As minigpt.layers.layer_norm_forward, in float32."""
    expect_layer_norm(x, weight, bias, eps)
    float32("layer_norm", x=x)
    C, out = x.shape[-1], empty(x.shape)
    mean, rstd = empty((x.size // C,)), empty((x.size // C,))
    bias_or_none = NO_BIAS if bias is None else flat(bias)
    _forward(
        flat(x),
        C,
        flat(weight),
        bias_or_none,
        np.float32(eps),
        flat(out),
        mean,
        rstd,
        workspace.threads(),
    )
    return out, LayerNormCache(x, weight, mean, rstd, bias is not None)


def layer_norm_backward(dout, cache):
    """As minigpt.layers.layer_norm_backward."""
    expect_cache("layer_norm", cache, LayerNormCache)
    x, weight, mean, rstd, has_bias = cache
    expect_array("layer_norm", "cache.x", x, np.shape(x))
    expect_array("layer_norm", "cache.weight", weight, x.shape[-1:])
    for name, array in (("mean", mean), ("rstd", rstd)):
        expect_array("layer_norm", f"cache.{name}", array, (x.size // x.shape[-1],))
    expect.same_as_out("layer_norm", dout, x.shape, x.dtype)
    C, dx, shares = x.shape[-1], empty(x.shape), workspace.threads()
    sums = workspace.floats("layer_norm", shares * 2 * C)
    _backward(flat(x), flat(dout), C, flat(weight), flat(mean), flat(rstd), flat(dx), sums, shares)
    dweight, dbias = (
        sums[: shares * 2 * C].reshape(shares, 2, C).sum(axis=0)
    )  # (2, C), fresh arrays
    return dx, dweight, dbias if has_bias else None
