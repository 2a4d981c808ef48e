"""Compute what the wrong formulas of refuted.py give.

Those that take more than one line are written out here.
Some take a flag that makes the wrong formula right, so that the difference is in a single place.
"""

import math

import numpy as np

from minigpt import layers
from minigpt.formulas.attention import DOUT, K, Q, V, weights
from minigpt.formulas.core import back, numbers, out
from minigpt.formulas.mlp import X
from minigpt.formulas.model import CONFIG, gpt
from minigpt.model import GPT
from minigpt.ops import overlay


def odd_gelu(x):
    return x / (1 + math.exp(-(1 + x * math.tanh(x))))


def gelu(x):
    return float(out(layers.gelu_forward, np.array([x]), "none")[0])


def sine_only(T, C):
    return np.sin(np.arange(T)[:, None] / 10000 ** (2 * np.arange(C) / C))


def spread_of_products(PE, k=5):
    """Return how much products of rows k apart vary with position."""
    products = (PE[:-k] * PE[k:]).sum(-1)
    return float(products.max() - products.min())


def normalised(position, T):
    """Return the lowest-frequency sine of a position mapped to [-1, 1]."""
    return math.sin(2 * position / (T - 1) - 1)


def attention_sees_order(add_first):
    """Return how much attention's output changes if two tokens are swapped.

    There is no mask, and the swap itself is undone.
    """
    x, PE = numbers(60, 4, 4), layers.sinusoidal_positions(4, 4)
    swapped = x[[1, 0, 2, 3]]

    def run(tokens):
        seen = tokens + PE if add_first else tokens
        return out(layers.attention_forward, *(seen[None, None],) * 3, False)[0, 0]

    return float(np.abs(run(swapped) - run(x)[[1, 0, 2, 3]]).max())


def flash_as_printed(inverse):
    """Return the last row of attention by FlashAttention-2's algorithm 1.

    The keys are taken one by one.
    """
    q, m, total, o = Q[0, 0, -1], -math.inf, 0.0, np.zeros(2)
    for k, v in zip(K[0, 0], V[0, 0], strict=True):
        s = float(q @ k) / math.sqrt(2)
        m_next = max(m, s)
        shrink = math.exp(m - m_next)
        factor = 1.0 if shrink == 0.0 else 1.0 / shrink if inverse else shrink
        total, o, m = (
            total * shrink + math.exp(s - m_next),
            o * factor + math.exp(s - m_next) * v,
            m_next,
        )
    return o / total


def masked_after_softmax():
    """Return the sum of the first query's weights.

    The mask sets probabilities to 0 instead of scores to -inf.
    """
    S = Q[0, 0] @ K[0, 0].T / math.sqrt(2)
    P = np.exp(S) / np.exp(S).sum(-1, keepdims=True)
    return float(np.tril(P)[0].sum())


def upper_left():
    """Return which fraction of 4 keys the last of 2 queries sees."""
    return float(np.tril(np.ones((2, 4)))[-1].mean()), float(
        (weights(layers, np.zeros((1, 1, 2, 2)), np.zeros((1, 1, 4, 2)))[0, 0, -1] > 0).mean()
    )


def slope_of_layer_norm(outside):
    """Return dx[0] of layer norm with a random gamma.

    outside: gamma is multiplied after the two means.
    """
    x, gamma, g = np.array([[1.0, 2.0, 3.0, 4.0]]), numbers(5, 4), numbers(7, 1, 4)
    rstd = 1 / math.sqrt(x.var() + 1e-5)
    xhat = (x - x.mean()) * rstd
    h = g if outside else g * gamma
    dx = rstd * (h - h.mean() - xhat * (h * xhat).mean())
    return float((dx * gamma if outside else dx)[0, 0])


def reshaped_keys():
    """Return dK[0, 0, 0, 1], with dS reshaped instead of transposed."""
    P = weights(layers, Q, K)
    dP = DOUT @ V.swapaxes(-1, -2)
    dS = P * (dP - (dP * P).sum(-1, keepdims=True))
    wrong = dS.reshape(dS.shape[0], dS.shape[1], dS.shape[3], dS.shape[2]) @ Q / math.sqrt(2)
    return float(wrong[0, 0, 0, 1])


def fancy_embedding():
    """Return token 2's first gradient by dE[ids] += g.

    Token 2 occurs twice.
    """
    ids, g = np.array([2, 0, 2]), np.ones((3, 3))
    dE = np.zeros((4, 3))
    dE[ids] += g
    return float(dE[2, 0]), float(
        back(layers, "embedding", g[None], ids[None], np.zeros((4, 3)))[2, 0]
    )


def nucleus(cross):
    """Return how many tokens top-p keeps at p = 0.6.

    Their probabilities are 0.4, 0.3, 0.2, 0.1.
    """
    cumulative = np.cumsum([0.4, 0.3, 0.2, 0.1])
    before = cumulative - [0.4, 0.3, 0.2, 0.1]
    return float(((before < 0.6) if cross else (cumulative <= 0.6)).sum())


def decayed_by_adam(apart):
    """Return how far one step's decay moves a weight of 1.

    The gradient is 0.01, lr 0.1, wd 0.1. A step without decay is subtracted.
    """

    def step(g):
        return 0.1 * g / (abs(g) + 1e-8)

    plain = step(0.01)
    return (plain + 0.1 * 0.1 if apart else step(0.01 + 0.1 * 1.0)) - plain


def softmax_diagonal():
    """Return dz[1] with only the diagonal of softmax's Jacobian.

    z = [2, 1, 0.1] and g = [1, 0, 0].
    """
    z = np.array([2.0, 1.0, 0.1])
    p, _ = layers.softmax_forward(z)
    return float((p * (1 - p) * np.array([1.0, 0.0, 0.0]))[1])


def gelu_slope(x, cubic):
    t = math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * math.sqrt(2 / math.pi) * (1 + cubic * x * x)


def odd(mlp):
    return float(np.abs(mlp(X) + mlp(-X)).max())


def _without_mask(qkv, n_head, causal, *rest):
    return layers.multi_head_attention_forward(qkv, n_head, False, *rest)


def later_token(masked):
    """Return how far the first logits change with the third token."""
    ops = "numpy" if masked else overlay({"multi_head_attention_forward": _without_mask})
    model = GPT(CONFIG, ops=ops, params=gpt(CONFIG, "numpy").params)
    one, other = (model.forward(np.array([[1, 3, last]]))[0][0, 0] for last in (1, 4))
    return float(np.abs(one - other).max())
