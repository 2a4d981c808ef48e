"""The linear layer and the MLP, computed by the matmul kernel.

Bias, activation and the activation's slope are epilogues of a product, not separate passes over
memory.
"""

from typing import NamedTuple

import numpy as np

from kernels.expect import expect_array, expect_cache, flat, float32
from kernels.matmul import (
    GELU_ERF,
    GELU_ERF_SLOPE,
    GELU_TANH,
    GELU_TANH_SLOPE,
    RELU,
    RELU_SLOPE,
    matmul,
)
from kernels.memory import empty
from minigpt import expect
from minigpt.layers.linear import expect_linear
from minigpt.layers.mlp import expect_mlp

EPILOGUES = {
    "gelu": (GELU_TANH, GELU_TANH_SLOPE),
    "gelu_erf": (GELU_ERF, GELU_ERF_SLOPE),
    "relu": (RELU, RELU_SLOPE),
}


class LinearCache(NamedTuple):
    """Both factors of the product."""

    x: np.ndarray  # (..., in)
    weight: np.ndarray  # (in, out)
    has_bias: bool


class MlpCache(NamedTuple):
    """The input, the hidden layer before and after the activation, the weights."""

    x: np.ndarray  # (..., C)
    pre_activation: np.ndarray  # (..., F)
    post_activation: np.ndarray  # (..., F)
    fc_weight: np.ndarray  # (C, F)
    proj_weight: np.ndarray  # (F, C)
    biased: tuple[bool, bool]  # whether fc and proj have a bias
    name: str  # which activation


def linear_forward(x, weight, bias=None):
    """As minigpt.layers.linear_forward, in float32."""
    expect_linear(x, weight, bias)
    float32("linear", x=x)
    out = empty((*x.shape[:-1], weight.shape[1]))
    _product(x, weight, out, bias)
    return out, LinearCache(x, weight, bias is not None)


def linear_backward(dout, cache):
    """As minigpt.layers.linear_backward.

    dweight has the memory order of weight. The tied head's weight is a transposed view, and so is
    its dweight.
    """
    expect_cache("linear", cache, LinearCache)
    x, weight, has_bias = cache
    _expect_product("linear", "x", x, "weight", weight)
    expect.same_as_out("linear", dout, (*x.shape[:-1], weight.shape[1]), x.dtype)
    dx = empty(x.shape)
    _input_gradient(dout, weight, dx)
    dweight, dbias = _weight_gradient(x, dout, has_bias, _is_transposed(weight))
    return dx, dweight, dbias


def mlp_forward(x, fc_weight, fc_bias, proj_weight, proj_bias, activation="gelu"):
    """As minigpt.layers.mlp_forward, in float32."""
    expect_mlp(x, fc_weight, fc_bias, proj_weight, proj_bias, activation)
    float32("mlp", x=x)
    pre_activation, post_activation = (empty((*x.shape[:-1], fc_weight.shape[1])) for _ in range(2))
    _product(x, fc_weight, post_activation, fc_bias, EPILOGUES[activation][0], pre_activation)
    out = empty(x.shape)
    _product(post_activation, proj_weight, out, proj_bias)
    hidden, biased = (pre_activation, post_activation), (fc_bias is not None, proj_bias is not None)
    return out, MlpCache(x, *hidden, fc_weight, proj_weight, biased, activation)


def mlp_backward(dout, cache):
    """As minigpt.layers.mlp_backward."""
    expect_cache("mlp", cache, MlpCache)
    x, pre_activation, post_activation, fc_weight, proj_weight, biased, name = cache
    _expect_product("mlp", "x", x, "fc_weight", fc_weight)
    _expect_product("mlp", "post_activation", post_activation, "proj_weight", proj_weight)
    expect_array("mlp", "cache.pre_activation", pre_activation, (*x.shape[:-1], fc_weight.shape[1]))
    expect_array("mlp", "cache.post_activation", post_activation, pre_activation.shape)
    expect.shape(
        "mlp", "cache.proj_weight", proj_weight, fc_weight.shape[::-1], "(F, C), the way back"
    )
    expect.same_as_out("mlp", dout, x.shape, x.dtype)
    fc_transposed, proj_transposed = _is_transposed(fc_weight), _is_transposed(proj_weight)
    dproj_weight, dproj_bias = _weight_gradient(post_activation, dout, biased[1], proj_transposed)
    # post_activation = activation(pre_activation): the product that makes dpost_activation
    # multiplies by the slope in its epilogue
    dpre_activation = empty(pre_activation.shape)
    _input_gradient(dout, proj_weight, dpre_activation, EPILOGUES[name][1], pre_activation)
    dfc_weight, dfc_bias = _weight_gradient(x, dpre_activation, biased[0], fc_transposed)
    dx = empty(x.shape)
    _input_gradient(dpre_activation, fc_weight, dx)
    return dx, dfc_weight, dfc_bias, dproj_weight, dproj_bias


def _expect_product(
    function: str, x_name: str, x: np.ndarray, weight_name: str, weight: np.ndarray
) -> None:
    """Raises TypeError, ValueError if a cache's x and weight do not fit.

    x: (..., in) float32; weight: (in, out) float32.
    """
    expect_array(function, f"cache.{x_name}", x, np.shape(x))
    expect_array(function, f"cache.{weight_name}", weight, (x.shape[-1], *np.shape(weight)[1:2]))


def _is_transposed(weight: np.ndarray) -> bool:
    """Whether a weight is the transposed view of a row-major array."""
    return weight.flags.f_contiguous and not weight.flags.c_contiguous


def _product(x, weight, out, bias=None, epilogue=0, extra=None):
    """out = epilogue(x @ weight + bias)."""
    n_in, n_out = weight.shape
    transposed = _is_transposed(weight)
    matmul(
        flat(x), n_in, True,
        flat(weight.T if transposed else weight), n_in if transposed else n_out, transposed,
        flat(out), x.size // n_in, n_out, n_in, None if bias is None else flat(bias), epilogue,
        None if extra is None else flat(extra),
    )  # fmt: skip


def _input_gradient(dout, weight, dx, epilogue=0, extra=None):
    """dx = epilogue(dout @ weight^T)."""
    n_in, n_out = weight.shape
    transposed = _is_transposed(weight)
    matmul(
        flat(dout), n_out, True,
        flat(weight.T if transposed else weight), n_in if transposed else n_out, not transposed,
        flat(dx), dout.size // n_out, n_in, n_out, None, epilogue,
        None if extra is None else flat(extra),
    )  # fmt: skip


def _weight_gradient(x, dout, has_bias, transposed):
    """dweight = x^T @ dout, and dbias, the sum of dout's rows.

    dweight: (in, out), a transposed view if `transposed`; dbias: (out,), None without a bias.
    """
    n_in, n_out = x.shape[-1], dout.shape[-1]
    rows = x.size // n_in
    if transposed:  # (dout^T @ x)^T: the same numbers in the memory order of the weight
        dweight = empty((n_out, n_in))
        matmul(flat(dout), n_out, False, flat(x), n_in, False, flat(dweight), n_out, n_in, rows)
        return dweight.T, dout.reshape(rows, n_out).sum(axis=0) if has_bias else None
    dweight, dbias = empty((n_in, n_out)), empty((n_out,)) if has_bias else None
    a, b, c = flat(x), flat(dout), flat(dweight)
    matmul(a, n_in, False, b, n_out, False, c, n_in, n_out, rows, b_sums=dbias)
    return dweight, dbias
