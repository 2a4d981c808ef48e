"""Muon: AdamW for tables and vectors, and for the blocks' matrices a step of which every singular
value is about 1.

    M = mu M + G                       momentum, (in, out)
    U = G + mu M                       Nesterov's look ahead
    O = orthogonalize(U)               U = A S B^T (its singular value decomposition)  ->  about A B^T
    W = W (1 - lr wd) - lr sqrt(max(1, out / in)) O

A gradient of a matrix is mostly a few large singular values; the rest, small but not less worth
learning, hardly move under SGD or Adam. O moves all of them alike. No decomposition is computed: an
odd polynomial of U does to each singular value what it does to a number, and five rounds of a
quintic bring every number of 0.003 .. 1 to within 0.7 .. 1.2:

    X = a X + b (X X^T) X + c (X X^T)^2 X        a, b, c = 3.4445, -4.7750, 2.0315

Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"
(kellerjordan.github.io/posts/muon); Bernstein and Newhouse 2024, "Old Optimizer, New Norm: An
Anthology". Left out: momentum's own warm-up, distribution.
"""

import math
from collections.abc import Callable

import numpy as np

from minigpt import layers
from minigpt.optim import AdamWState, Arrays, adamw_step, expect_adamw

A, B, C = 3.4445, -4.7750, 2.0315
ROUNDS = 5


def is_hidden(name: str, theta: np.ndarray) -> bool:
    """The blocks' matrices take Muon's step; the embeddings, of which few rows have a gradient, and
    vectors take AdamW's.
    """
    return name.startswith("h.") and theta.ndim == 2


def orthogonalize(
    u: np.ndarray, linear_forward: Callable = layers.linear_forward, rounds: int = ROUNDS
) -> np.ndarray:
    """U = A S B^T -> A phi(S) B^T, phi being `rounds` rounds of the quintic: every singular value
    comes to about 1.

    u: (in, out) float. linear_forward makes the products: the kernels' keeps BLAS out. Returns a
    new array of u's dtype.
    """

    def product(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return linear_forward(x, y)[0]

    norm = math.sqrt(float(np.square(u, dtype=np.float64).sum()))
    x = u * (1.0 / (norm + 1e-7))  # no singular value is above this norm
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = np.ascontiguousarray(x.T)  # X X^T is then the smaller of the two
    for _ in range(rounds):
        gram = product(x, x.T)  # (m, n) @ (n, m) -> (m, m)
        x = A * x + product(B * gram + C * product(gram, gram), x)  # (m, m) @ (m, n) -> (m, n)
    return x.T if tall else x


def muon_step(
    params: Arrays,
    grads: Arrays,
    state: AdamWState,
    t: int,
    lr: float,
    muon_lr: float,
    momentum: float = 0.95,
    beta1: float = 0.9,
    beta2: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    grad_scale: float = 1.0,
    ops: object = None,
) -> None:
    """One step, in place: params and state change, grads do not.

    state is AdamW's; a hidden matrix uses its m and not its v.

    lr: AdamW's rate; muon_lr: that of the hidden matrices. ops: whose linear_forward and adamw_step
    run (default: the reference).
    Raises ValueError if t is below 1 or grads lacks a parameter.
    """
    expect_adamw(params, grads, state, t)
    rest = {name: theta for name, theta in params.items() if not is_hidden(name, theta)}
    step = getattr(ops, "adamw_step", adamw_step)
    step(
        rest,
        {name: grads[name] for name in rest},
        state,
        t,
        lr,
        beta1,
        beta2,
        eps,
        weight_decay,
        grad_scale,
    )
    for name in params.keys() - rest.keys():
        theta, m, g = params[name], state.m[name], grads[name] * float(grad_scale)
        m *= momentum
        m += g
        o = orthogonalize(g + momentum * m, getattr(ops, "linear_forward", layers.linear_forward))
        theta *= 1.0 - muon_lr * weight_decay
        theta -= (muon_lr * math.sqrt(max(1.0, theta.shape[1] / theta.shape[0]))) * o
