"""Wrong activations and MLPs. The form is that of wrong_layers.py."""

from minigpt.course.variants import Variant

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
                "return dout * (0.5 * (1.0 + half) + 0.5 * z * dt_dx)",
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
        (("0.5 * (1.0 + half) + 0.5 * z * dt_dx", "0.5 * (1.0 + half)"),),
        "gelu.gradient",
    ),
    Variant(
        "layers.gelu/slope_is_the_gate",
        "the product rule is applied by half: the slope of the exact form is taken for Phi(x) alone",
        (("return dout * (half + z * phi)", "return dout * half"),),
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
        (("+ 0.5 * z * dt_dx", "+ z * dt_dx"),),
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
            ("return dout * (0.5 * (1.0 + half) + 0.5 * z * dt_dx)", "return 0.5 * (1.0 + half) + 0.5 * z * dt_dx"),
            ("return dout * (half + z * phi)", "return half + z * phi"),
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

WRONG_MLP = ACTIVATIONS + MLP
