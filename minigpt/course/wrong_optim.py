"""Wrong optimizers and schedules. The form is that of wrong_layers.py."""

from minigpt.course.variants import Variant

STEP = "theta -= (lr / (1.0 - beta1**t)) * m / (root_vhat + eps)"
WRONG_OPTIM = [
    Variant(
        "optim/l2_in_gradient",
        "decay is added to the gradient (Adam with L2), and so divided by the root of v",
        (
            ("        m += (1.0", "        g = g + weight_decay * theta\n        m += (1.0"),
            ("theta *= 1.0 - lr * weight_decay", "pass"),
        ),
        "adamw.golden",
        "BUGS 46",
    ),
    Variant(
        "optim/no_bias_correction",
        "m and v are used as they are: the first steps are far too small or large",
        ((" * (1.0 / math.sqrt(1.0 - beta2**t))", ""), (STEP, "theta -= lr * m / (root_vhat + eps)")),
        "adamw.golden",
        "BUGS 48",
    ),
    Variant(
        "optim/efficient_order",
        "eps is added before v is corrected (the order of GPT-1's code)",
        ((STEP, "theta -= lr * math.sqrt(1.0 - beta2**t) / (1.0 - beta1**t) * m / (np.sqrt(v) + eps)"),),
        "adamw.golden",
        "BUGS 50",
    ),
    Variant(
        "optim/decay_without_lr",
        "the decay is not multiplied by the learning rate",
        (("1.0 - lr * weight_decay", "1.0 - weight_decay"),),
        "adamw.golden",
        "BUGS 51",
    ),
    Variant(
        "optim/decay_everything",
        "biases and gains are decayed as well",
        (("return theta.ndim >= 2", "return True"),),
        "adamw.golden",
    ),
    Variant(
        "optim/eps_in_root",
        "eps is inside the root",
        ((STEP, "theta -= (lr / (1.0 - beta1**t)) * m / np.sqrt(root_vhat * root_vhat + eps)"),),
        "adamw.golden",
    ),
    Variant(
        "optim/betas_swapped",
        "the two betas are swapped in the running means",
        (("m += (1.0 - beta1)", "m += (1.0 - beta2)"), ("v += (1.0 - beta2)", "v += (1.0 - beta1)")),
        "adamw.golden",
    ),
    Variant(
        "optim/decay_after_step",
        "the decay comes after the step, and shrinks it as well",
        (
            (
                "        if weight_decay and is_decayed(theta):\n            theta *= 1.0 - lr * weight_decay\n        " + STEP,
                "        "
                + STEP
                + "\n        if weight_decay and is_decayed(theta):\n            theta *= 1.0 - lr * weight_decay",
            ),
        ),
        "adamw.pytorch",
    ),
    Variant(
        "optim/absolute_value",
        "v holds the gradient's size, not its square",
        (("(g * g - v)", "(np.abs(g) - v)"),),
        "adamw.golden",
    ),
    Variant(
        "optim/clip_each_tensor",
        "every tensor is clipped by its own norm, which turns the gradient's direction",
        (
            (
                "    return (grads if scale == 1.0 else {name: g * scale for name, g in grads.items()}), norm",
                "    return {name: g * min(1.0, max_norm / grad_norm({name: g})) for name, g in grads.items()}, norm",
            ),
        ),
        "clip.golden",
        "BUGS 53",
    ),
    Variant(
        "optim/clip_always",
        "small gradients are scaled up to the norm",
        (("1.0 if max_norm == 0 or norm <= max_norm else", "1.0 if max_norm == 0 else"),),
        "clip.golden",
    ),
    Variant(
        "optim/clip_in_place",
        "clipping writes into the gradients it was given",
        (
            (
                "    return (grads if scale == 1.0 else {name: g * scale for name, g in grads.items()}), norm",
                "    for g in grads.values():\n        g *= max_norm / norm\n    return grads, norm",
            ),
        ),
        "clip.golden",
    ),
    Variant(
        "optim/norm_is_largest",
        "the norm is that of the largest tensor",
        (("math.sqrt(sum(float(", "math.sqrt(max(float("),),
        "clip.golden",
    ),
    Variant(
        "optim/first_step_lost",
        "the learning rate of step 0 is 0",
        (("max_lr * (step + 1) / (warmup_iters + 1)", "max_lr * step / warmup_iters"),),
        "schedule.golden",
        "BUGS 54",
    ),
    Variant(
        "optim/cosine_from_zero",
        "the cosine counts the warm-up as well",
        (("(step - warmup_iters) / (lr_decay_iters - warmup_iters)", "step / lr_decay_iters"),),
        "schedule.golden",
    ),
    Variant(
        "optim/cosine_to_zero",
        "the cosine ends at 0 and not at min_lr",
        (
            (
                "return min_lr + 0.5 * (1.0 + math.cos(math.pi * progress)) * (max_lr - min_lr)",
                "return 0.5 * (1.0 + math.cos(math.pi * progress)) * max_lr",
            ),
        ),
        "schedule.golden",
    ),
    Variant(
        "optim/norm_in_float32",
        "the norm's squares are summed in float32, and overflow",
        (("np.square(g, dtype=np.float64)", "np.square(g)"),),
        "clip.golden",
    ),
    Variant(
        "optim/missing_gradient",
        "a parameter without a gradient fails late, and half the parameters have moved",
        (
            ("    if missing:", "    if False:"),
            ("g, m, v = grads[name], state", "g, m, v = grads.get(name, np.zeros_like(theta)), state"),
        ),
        "adamw.golden",
    ),
    Variant(
        "optim/broadcast_gradient",
        "a gradient of another shape is spread over the parameter",
        (('            expect.like("adamw_step", of, name, arrays[name], theta)', "            pass"),),
        "adamw.golden",
    ),
    Variant(
        "optim/float64_state",
        "m and v are float64 where the parameters are float32",
        (
            (
                "{name: np.zeros_like(array) for name, array in params.items()},\n        {name: np",
                "{name: np.zeros(array.shape) for name, array in params.items()},\n        {name: np",
            ),
        ),
        "adamw.pytorch",
    ),
    Variant(
        "optim/other_defaults", "beta2's default is 0.99", (("beta2: float = 0.999,", "beta2: float = 0.99,"),), "adamw.golden"
    ),
]
