"""AdamW, gradient clipping and the learning rate schedule.

    m = beta1 m + (1 - beta1) g                     running mean of the gradient
    v = beta2 v + (1 - beta2) g^2                   running mean of its square
    mhat = m / (1 - beta1^t)                        t = 1 at the first step
    vhat = v / (1 - beta2^t)
    theta = theta - lr wd theta - lr mhat / (sqrt(vhat) + eps)

m and v start at 0 and are too small at first; mhat and vhat correct that. Only matrices are decayed
(GPT-1: "on all non bias or gain weights"), including embeddings, as in nanoGPT.
Source: Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter 2019, algorithm 2, with the decay of
PyTorch: it is multiplied by the learning rate (the paper's lambda is lr wd).
Left out: AMSGrad, Nesterov momentum.
"""

import math
from typing import NamedTuple

import numpy as np

from minigpt import expect

Arrays = dict[str, np.ndarray]


class AdamWState(NamedTuple):
    """AdamW's running means, by the names of the parameters."""

    m: Arrays
    v: Arrays


def adamw_init(params: Arrays) -> AdamWState:
    """A state of zeros, of each parameter's shape and dtype."""
    return AdamWState(
        {name: np.zeros_like(array) for name, array in params.items()},
        {name: np.zeros_like(array) for name, array in params.items()},
    )


def adamw_step(
    params: Arrays,
    grads: Arrays,
    state: AdamWState,
    t: int,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    grad_scale: float = 1.0,
) -> None:
    """One step of AdamW: params and state change in place, not grads.

    t: the number of the step, from 1.
    grad_scale: multiplies every gradient as it is read (clip_scale).
    Raises ValueError if t is below 1, or if grads or state have no array for a parameter; TypeError
    if its dtype is not the parameter's.
    """
    expect_adamw(params, grads, state, t)
    for name, theta in params.items():
        g, m, v = grads[name], state.m[name], state.v[name]
        if grad_scale != 1.0:
            g = g * float(grad_scale)
        m += (1.0 - beta1) * (g - m)
        v += (1.0 - beta2) * (g * g - v)
        root_vhat = np.sqrt(v) * (1.0 / math.sqrt(1.0 - beta2**t))
        if weight_decay and is_decayed(theta):
            theta *= 1.0 - lr * weight_decay
        theta -= (lr / (1.0 - beta1**t)) * m / (root_vhat + eps)


def expect_adamw(params: Arrays, grads: Arrays, state: AdamWState, t: int) -> None:
    """Raises TypeError, ValueError if adamw_step cannot take these."""
    if expect.whole_number("adamw_step", "t", t, least=0) < 1:
        raise ValueError(f"adamw_step: t is {t}, but must be at least 1: the first step is step 1")
    m, v = state
    for of, arrays in (("grads", grads), ("state.m", m), ("state.v", v)):
        missing = params.keys() - arrays.keys()
        if missing:
            raise ValueError(
                f"adamw_step: {of} has no {sorted(missing)[0]}, but must have every parameter"
            )
        for name, theta in params.items():
            expect.like("adamw_step", of, name, arrays[name], theta)


def is_decayed(theta: np.ndarray) -> bool:
    """Whether weight decay applies: to matrices, not to biases and gains."""
    return theta.ndim >= 2


def grad_norm(grads: Arrays) -> float:
    """The norm of all gradients as one vector, summed in float64."""
    return math.sqrt(sum(float(np.square(g, dtype=np.float64).sum()) for g in grads.values()))


def clip_grad_norm(grads: Arrays, max_norm: float) -> tuple[Arrays, float]:
    """Scale all gradients by one factor if their common norm exceeds max_norm.

    Returns the gradients and their norm before scaling. The arrays are new if they were scaled,
    else the same. max_norm = 0 switches clipping off. One common factor keeps the direction; one
    factor per tensor would not.
    Source: Pascanu, Mikolov and Bengio 2013, algorithm 1.
    """
    norm = grad_norm(grads)
    scale = clip_scale(norm, max_norm)
    return (grads if scale == 1.0 else {name: g * scale for name, g in grads.items()}), norm


def clip_scale(norm: float, max_norm: float) -> float:
    """The factor of clip_grad_norm.

    adamw_step can apply it as it reads the gradients; then no array is copied.
    """
    return 1.0 if max_norm == 0 or norm <= max_norm else float(max_norm) / norm


def learning_rate(
    step: int, max_lr: float, min_lr: float, warmup_iters: int, lr_decay_iters: int
) -> float:
    """The learning rate of a step: linear warm-up, cosine, constant.

    It rises to max_lr, follows half a cosine down to min_lr at lr_decay_iters, and stays at min_lr.

    step: counted from 0.
    Source: Radford et al. 2018 (GPT-1), section 4.1; Loshchilov and Hutter 2017 (cosine). The +1s
    are nanoGPT's: without them the first step would have rate 0 and change nothing.
    """
    if step < warmup_iters:
        return max_lr * (step + 1) / (warmup_iters + 1)
    if step >= lr_decay_iters:
        return min_lr
    progress = (step - warmup_iters) / (lr_decay_iters - warmup_iters)  # 0 .. 1
    return min_lr + 0.5 * (1.0 + math.cos(math.pi * progress)) * (max_lr - min_lr)
