"""Muon: orthogonal steps for the blocks' matrices.

All other parameters take AdamW's step.

    M = mu M + G                       momentum, (in, out)
    U = G + mu M                       Nesterov's look ahead
    O = orthogonalize(U)               U = A S B^T (singular value decomposition) -> about A B^T
    W = W (1 - lr wd) - lr sqrt(max(1, out / in)) O

The gradient of a matrix has a few large singular values and many small ones. Under SGD or Adam the
directions of the small ones hardly move, although they can be as useful. O moves all directions
equally. No decomposition is computed: an odd polynomial of U acts on each singular value as on a
number. Five rounds of a quintic bring every number in 0.003 .. 1 into 0.7 .. 1.2:

    X = a X + b (X X^T) X + c (X X^T)^2 X        a, b, c = 3.4445, -4.7750, 2.0315

Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"
(kellerjordan.github.io/posts/muon); Bernstein and Newhouse 2024, "Old Optimizer, New Norm: An
Anthology".
Left out: a warm-up of the momentum; several machines.
"""

import math
from collections.abc import Callable

import numpy as np

from minigpt import layers
from minigpt.ops import optimizer
from minigpt.optim import AdamWState, Arrays, expect_adamw

A, B, C = 3.4445, -4.7750, 2.0315
ROUNDS = 5


def is_hidden(name: str, theta: np.ndarray) -> bool:
    """Whether a parameter takes Muon's step: the blocks' matrices.

    Vectors take AdamW's step. So do embeddings, because few of their rows have a gradient.
    """
    return name.startswith("h.") and theta.ndim == 2


def orthogonalize(
    u: np.ndarray, linear_forward: Callable = layers.linear_forward, rounds: int = ROUNDS
) -> np.ndarray:
    """A matrix like u with singular values of about 1.

    U = A S B^T becomes A phi(S) B^T, where phi is `rounds` rounds of the quintic.

    u: (in, out) float.
    linear_forward: computes the products; with the kernels' function, BLAS is not used.
    Returns a new array of u's shape and dtype.
    """

    def product(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return linear_forward(x, y)[0]

    norm = math.sqrt(float(np.square(u, dtype=np.float64).sum()))
    x = u * (1.0 / (norm + 1e-7))  # now no singular value is above 1
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
    weight_decay: float = 0.0,
    grad_scale: float = 1.0,
    ops: object = None,
    **adam: float,
) -> None:
    """One step: params and state change in place, not grads.

    state: AdamW's; a hidden matrix uses its m and not its v.
    lr: AdamW's learning rate; muon_lr: that of the hidden matrices.
    ops: the module of linear_forward and adamw_step (default: the reference).
    adam: beta1, beta2 and eps of AdamW; beta2 is 0.99 if it is not given.
    Raises ValueError if t is below 1 or if grads has no array for a parameter.
    """
    expect_adamw(params, grads, state, t)
    rest = {name: theta for name, theta in params.items() if not is_hidden(name, theta)}
    ops = ops or layers
    adam = {"beta2": 0.99, "weight_decay": weight_decay, "grad_scale": grad_scale} | adam
    of_rest = {name: grads[name] for name in rest}
    optimizer(ops).adamw_step(rest, of_rest, state, t, lr, **adam)
    for name in params.keys() - rest.keys():
        theta, m, g = params[name], state.m[name], grads[name] * float(grad_scale)
        m *= momentum
        m += g
        o = orthogonalize(g + momentum * m, ops.linear_forward)
        theta *= 1.0 - muon_lr * weight_decay
        theta -= (muon_lr * math.sqrt(max(1.0, theta.shape[1] / theta.shape[0]))) * o
