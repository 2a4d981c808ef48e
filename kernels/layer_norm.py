"""Layer normalization: each token's channels are read from memory once per pass.

The cache keeps x, mean and rstd of each token. The backward pass recomputes xhat, which costs less
than reading it. Each thread sums dweight and dbias over its tokens. These partial sums are then
added in the order of the threads.
Source of the corrected mean and variance: Chan, Golub and LeVeque 1983, "Algorithms for Computing
the Sample Variance".
"""

from typing import NamedTuple

import numpy as np

from kernels.expect import expect_array, expect_cache, flat, float32
from kernels.jit import compiled, parallel_kernel, prange
from kernels.memory import empty, workspace
from kernels.vector_math import minus, one_over_root
from minigpt import expect
from minigpt.layers.layer_norm import expect_layer_norm

ZERO, ONE = np.float32(0.0), np.float32(1.0)
NO_BIAS = np.empty(0, np.float32)


class LayerNormCache(NamedTuple):
    """The input with each token's mean and rstd; xhat is recomputed."""

    x: np.ndarray  # (..., C)
    weight: np.ndarray  # (C,)
    mean: np.ndarray  # (tokens,)
    rstd: np.ndarray  # (tokens,), 1 / sqrt(var + eps)
    has_bias: bool


@compiled
def _normalize(x, weight, bias, eps, out):
    """Write one token's output (C,); return its mean and rstd."""
    C, total, squares, drift = x.size, ZERO, ZERO, ZERO
    for c in range(C):
        total += x[c]
    mean = total / np.float32(C)
    for c in range(C):
        centred = minus(x[c], mean)
        squares += centred * centred
        # 0 if the mean were exact. Far from zero it is rounded; drift corrects mean and variance.
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


@parallel_kernel
def _forward(x, C, weight, bias, eps, out, means, rstds, shares):
    tokens = x.size // C
    for share in prange(shares):
        for n in range(tokens * share // shares, tokens * (share + 1) // shares):
            # the indices of a slice begin at 0, so LLVM does not test for negative ones
            here = slice(n * C, n * C + C)
            means[n], rstds[n] = _normalize(x[here], weight, bias, eps, out[here])


@compiled
def _token_backward(x, dout, weight, mean, rstd, dx, dweight, dbias):
    """Write one token's dx (C,); add its terms to dweight and dbias."""
    C, along_one, along_xhat = x.size, ZERO, ZERO
    for c in range(C):
        dxhat = dout[c] * weight[c]
        # kept for the second loop: the same rounded number makes dx exactly 0 if C is 1
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


@parallel_kernel
def _backward(x, dout, C, weight, means, rstds, dx, sums, shares):
    tokens = x.size // C
    for share in prange(shares):
        dweight = sums[2 * share * C : (2 * share + 1) * C]
        dbias = sums[(2 * share + 1) * C : (2 * share + 2) * C]
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
    flat_bias, eps = NO_BIAS if bias is None else flat(bias), np.float32(eps)
    shares = workspace.threads()
    _forward(flat(x), C, flat(weight), flat_bias, eps, flat(out), mean, rstd, shares)
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
    # (2, C), fresh arrays
    dweight, dbias = sums[: shares * 2 * C].reshape(shares, 2, C).sum(axis=0)
    return dx, dweight, dbias if has_bias else None
