"""The linear layer and the MLP, by the matmul kernel: bias, activation and its slope are epilogues,
not passes of their own.
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
    """What the backward pass needs of the forward pass."""

    x: np.ndarray  # (..., in)
    weight: np.ndarray  # (in, out)
    has_bias: bool


class MlpCache(NamedTuple):
    """What the backward pass needs of the forward pass."""

    x: np.ndarray  # (..., C)
    wide: np.ndarray  # (..., F), before the activation
    bent: np.ndarray  # (..., F), after it
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

    dweight lies in memory as weight does: that of the tied head is a transposed view.
    """
    expect_cache("linear", cache, LinearCache)
    x, weight, has_bias = cache
    _expect_product("linear", "x", x, "weight", weight)
    expect.same_as_out("linear", dout, (*x.shape[:-1], weight.shape[1]), x.dtype)
    dx = empty(x.shape)
    _input_gradient(dout, weight, dx)
    dweight, dbias = _weight_gradient(x, dout, has_bias, _is_turned(weight))
    return dx, dweight, dbias


def mlp_forward(x, fc_weight, fc_bias, proj_weight, proj_bias, activation="gelu"):
    """As minigpt.layers.mlp_forward, in float32."""
    expect_mlp(x, fc_weight, fc_bias, proj_weight, proj_bias, activation)
    float32("mlp", x=x)
    wide, bent = (empty((*x.shape[:-1], fc_weight.shape[1])) for _ in range(2))
    _product(x, fc_weight, bent, fc_bias, EPILOGUES[activation][0], wide)
    out = empty(x.shape)
    _product(bent, proj_weight, out, proj_bias)
    return out, MlpCache(
        x,
        wide,
        bent,
        fc_weight,
        proj_weight,
        (fc_bias is not None, proj_bias is not None),
        activation,
    )


def mlp_backward(dout, cache):
    """As minigpt.layers.mlp_backward."""
    expect_cache("mlp", cache, MlpCache)
    x, wide, bent, fc_weight, proj_weight, biased, name = cache
    _expect_product("mlp", "x", x, "fc_weight", fc_weight)
    _expect_product("mlp", "bent", bent, "proj_weight", proj_weight)
    expect_array("mlp", "cache.wide", wide, (*x.shape[:-1], fc_weight.shape[1]))
    expect_array("mlp", "cache.bent", bent, wide.shape)
    expect.shape(
        "mlp", "cache.proj_weight", proj_weight, fc_weight.shape[::-1], "(F, C), the way back"
    )
    expect.same_as_out("mlp", dout, x.shape, x.dtype)
    dproj_weight, dproj_bias = _weight_gradient(bent, dout, biased[1], _is_turned(proj_weight))
    # bent = activation(wide): the slope is the epilogue of the product that makes dbent
    dwide = empty(wide.shape)
    _input_gradient(dout, proj_weight, dwide, EPILOGUES[name][1], wide)
    dfc_weight, dfc_bias = _weight_gradient(x, dwide, biased[0], _is_turned(fc_weight))
    dx = empty(x.shape)
    _input_gradient(dwide, fc_weight, dx)
    return dx, dfc_weight, dfc_bias, dproj_weight, dproj_bias


def _expect_product(
    function: str, x_name: str, x: np.ndarray, weight_name: str, weight: np.ndarray
) -> None:
    """A cache's x (..., in) and weight (in, out) fit together, in float32.

    Else TypeError, ValueError.
    """
    expect_array(function, f"cache.{x_name}", x, np.shape(x))
    expect_array(function, f"cache.{weight_name}", weight, (x.shape[-1], *np.shape(weight)[1:2]))


def _is_turned(weight: np.ndarray) -> bool:
    """Whether a weight is the transposed view of an array that lies row by row, as the tied head's
    is.
    """
    return weight.flags.f_contiguous and not weight.flags.c_contiguous


def _product(x, weight, out, bias=None, epilogue=0, extra=None):
    """out = epilogue(x @ weight + bias)."""
    n_in, n_out = weight.shape
    turned = _is_turned(weight)
    matmul(
        flat(x), n_in, True, flat(weight.T if turned else weight), n_in if turned else n_out, turned, flat(out),
        x.size // n_in, n_out, n_in, None if bias is None else flat(bias), epilogue, None if extra is None else flat(extra),
    )  # fmt: skip


def _input_gradient(dout, weight, dx, epilogue=0, extra=None):
    """dx = epilogue(dout @ weight^T)."""
    n_in, n_out = weight.shape
    turned = _is_turned(weight)
    matmul(
        flat(dout), n_out, True, flat(weight.T if turned else weight), n_in if turned else n_out, not turned, flat(dx),
        dout.size // n_out, n_in, n_out, None, epilogue, None if extra is None else flat(extra),
    )  # fmt: skip


def _weight_gradient(x, dout, has_bias, turned):
    """dweight = x^T @ dout, (in, out), and dbias, the sum of dout's rows, or None."""
    n_in, n_out = x.shape[-1], dout.shape[-1]
    rows = x.size // n_in
    if turned:  # (dout^T @ x)^T: the same numbers, in the weight's own order
        dweight = empty((n_out, n_in))
        matmul(flat(dout), n_out, False, flat(x), n_in, False, flat(dweight), n_out, n_in, rows)
        return dweight.T, dout.reshape(rows, n_out).sum(axis=0) if has_bias else None
    dweight, dbias = empty((n_in, n_out)), empty((n_out,)) if has_bias else None
    matmul(
        flat(x),
        n_in,
        False,
        flat(dout),
        n_out,
        False,
        flat(dweight),
        n_in,
        n_out,
        rows,
        b_sums=dbias,
    )
    return dweight, dbias
