"""Formulas of the activations, and of the MLP made of them."""

import numpy as np

from minigpt import layers
from minigpt.checks.golden_numbers import GELU, GELU_X
from minigpt.formulas.core import back, flat, numbers, of_contract, out, slope

X = numbers(1, 2, 3)  # two tokens of three channels
FC, FC_BIAS, PROJ, PROJ_BIAS = numbers(10, 3, 5), numbers(11, 5), numbers(12, 5, 3), numbers(13, 3)


def gelu_slope(form):
    return slope(lambda x: out(layers.gelu_forward, x, form), GELU_X, np.ones_like(GELU_X))


FORMULAS = [
    of_contract(
        "gelu.exact",
        "GELU, exact",
        r"\mathrm{GELU}(x) = x \Phi(x) = \tfrac{1}{2} x \big(1 + \mathrm{erf}(x / \sqrt 2)\big)",
        "GELU(x) = x Phi(x) = x/2 (1 + erf(x / sqrt 2))",
        "Hendrycks and Gimpel 2016, section 2",
        "gelu_forward",
        "x = -3, -2, -1, -0.5, 0, 0.5, 1, 2, 3",
        lambda ops: out(ops.gelu_forward, GELU_X, "none"),
        golden=GELU["none"][0],
    ),
    of_contract(
        "gelu.tanh",
        "GELU, GPT-2's form",
        r"\tfrac{1}{2} x \Big(1 + \tanh\big(\sqrt{2/\pi}\,(x + 0.044715 x^3)\big)\Big)",
        "x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))",
        "Hendrycks and Gimpel 2016, section 2; GPT-1's and GPT-2's code",
        "gelu_forward",
        "x = -3, -2, -1, -0.5, 0, 0.5, 1, 2, 3",
        lambda ops: out(ops.gelu_forward, GELU_X, "tanh"),
        golden=GELU["tanh"][0],
    ),
    of_contract(
        "gelu.exact_slope",
        "derivative of the exact GELU",
        r"\mathrm{GELU}'(x) = \Phi(x) + x \varphi(x)",
        "GELU'(x) = Phi(x) + x phi(x)",
        "the product rule; derived in notebook 08",
        "gelu_backward gelu_forward",
        "x = -3 .. 3",
        lambda ops: back(ops, "gelu", np.ones(9), GELU_X, "none"),
        golden=GELU["none"][1],
        differences=lambda: gelu_slope("none"),
    ),
    of_contract(
        "gelu.tanh_slope",
        "derivative of GPT-2's GELU",
        r"\tfrac12 (1 + t) + \tfrac12 x (1 - t^2) \sqrt{2/\pi}\,(1 + 0.134145 x^2)",
        "(1 + t)/2 + x/2 (1 - t^2) sqrt(2/pi) (1 + 0.134145 x^2)",
        "product and chain rule, 3 * 0.044715 = 0.134145; derived in notebook 08",
        "gelu_backward gelu_forward",
        "x = -3 .. 3",
        lambda ops: back(ops, "gelu", np.ones(9), GELU_X, "tanh"),
        golden=GELU["tanh"][1],
        differences=lambda: gelu_slope("tanh"),
    ),
    of_contract(
        "gelu.symmetry",
        "gelu(x) - gelu(-x) is x",
        r"\mathrm{GELU}(x) - \mathrm{GELU}(-x) = x",
        "GELU(x) - GELU(-x) = x",
        "Phi(x) + Phi(-x) = 1",
        "gelu_forward",
        "x = -3 .. 3, both forms",
        lambda ops: flat(
            *(
                out(ops.gelu_forward, GELU_X, form) - out(ops.gelu_forward, -GELU_X, form)
                for form in GELU
            )
        ),
        literal=lambda: flat(GELU_X, GELU_X),
    ),
    of_contract(
        "relu.forward",
        "ReLU",
        r"\max(0, x)",
        "max(0, x)",
        "Vaswani et al. 2017, equation 2; Nair and Hinton 2010",
        "relu_forward",
        "x = -3 .. 3",
        lambda ops: out(ops.relu_forward, GELU_X),
        literal=lambda: (GELU_X + np.abs(GELU_X)) / 2,
    ),
    of_contract(
        "relu.backward",
        "ReLU, backward: negative inputs get no gradient",
        r"\frac{\partial L}{\partial x} = g \cdot 1[x > 0]",
        "dx = g where x > 0, else 0",
        "the slope is 0 or 1; at 0 by convention 0",
        "relu_backward relu_forward",
        "x = -3 .. 3 but 0, g = x",
        lambda ops: back(ops, "relu", GELU_X[GELU_X != 0], GELU_X[GELU_X != 0]),
        differences=lambda: slope(
            lambda x: np.maximum(x, 0), GELU_X[GELU_X != 0], GELU_X[GELU_X != 0]
        ),
    ),
    of_contract(
        "mlp.forward",
        "the MLP of a block",
        r"\mathrm{GELU}(x W_1 + b_1) W_2 + b_2",
        "GELU(x W1 + b1) W2 + b2",
        "Vaswani et al. 2017, equation 2, with GELU as in Radford et al. 2018, section 4.1",
        "mlp_forward",
        "x (2, 3), a width of 5",
        lambda ops: out(ops.mlp_forward, X, FC, FC_BIAS, PROJ, PROJ_BIAS),
        literal=lambda: out(layers.gelu_forward, X @ FC + FC_BIAS) @ PROJ + PROJ_BIAS,
    ),
    of_contract(
        "mlp.backward",
        "the MLP, backward: linear, GELU and linear in reverse",
        r"\frac{\partial L}{\partial x} = \big((g W_2^\top) \odot \mathrm{GELU}'(x W_1 + b_1)\big) "
        r"W_1^\top",
        "dx = ((g W2^T) * GELU'(x W1 + b1)) W1^T",
        "the chain rule; derived in notebook 08",
        "mlp_backward mlp_forward",
        "x (2, 3), a width of 5",
        lambda ops: back(ops, "mlp", X[::-1].copy(), X, FC, FC_BIAS, PROJ, PROJ_BIAS)[0],
        differences=lambda: slope(
            lambda x: out(layers.mlp_forward, x, FC, FC_BIAS, PROJ, PROJ_BIAS), X, X[::-1]
        ),
    ),
]
