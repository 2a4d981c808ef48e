"""What the formulas of refuted.py give, which circulate and are wrong: those that take more than a
line are written out here.

Some take a flag that turns the wrong one into the right one, so that a single place tells them
apart.
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
    """How much the product of two rows, k apart, differs from place to place."""
    products = (PE[:-k] * PE[k:]).sum(-1)
    return float(products.max() - products.min())


def normalised(position, T):
    """The sine of the lowest frequency at a position mapped to [-1, 1]."""
    return math.sin(2 * position / (T - 1) - 1)


def attention_sees_order(add_first):
    """How much attention's output moves, apart from the exchange itself, when two tokens change
    places (no mask).
    """
    x, PE = numbers(60, 4, 4), layers.sinusoidal_positions(4, 4)
    swapped = x[[1, 0, 2, 3]]

    def run(tokens):
        seen = tokens + PE if add_first else tokens
        return out(layers.attention_forward, *(seen[None, None],) * 3, False)[0, 0]

    return float(np.abs(run(swapped) - run(x)[[1, 0, 2, 3]]).max())


def flash_as_printed(inverse):
    """The last row of attention by FlashAttention-2's algorithm 1, one key after the other."""
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
    """The sum of the first query's weights, where the mask zeroes probabilities instead of scores."""
    S = Q[0, 0] @ K[0, 0].T / math.sqrt(2)
    P = np.exp(S) / np.exp(S).sum(-1, keepdims=True)
    return float(np.tril(P)[0].sum())


def upper_left():
    """Which fraction of 4 keys the last of 2 queries sees."""
    return float(np.tril(np.ones((2, 4)))[-1].mean()), float(
        (weights(layers, np.zeros((1, 1, 2, 2)), np.zeros((1, 1, 4, 2)))[0, 0, -1] > 0).mean()
    )


def slope_of_layer_norm(outside):
    """dx[0] of layer norm with gamma random; `outside`: gamma multiplied after the two means."""
    x, gamma, g = np.array([[1.0, 2.0, 3.0, 4.0]]), numbers(5, 4), numbers(7, 1, 4)
    rstd = 1 / math.sqrt(x.var() + 1e-5)
    xhat = (x - x.mean()) * rstd
    h = g if outside else g * gamma
    dx = rstd * (h - h.mean() - xhat * (h * xhat).mean())
    return float((dx * gamma if outside else dx)[0, 0])


def reshaped_keys():
    """dK[0, 0, 0, 1] where a reshape stands for the transpose of dS."""
    P = weights(layers, Q, K)
    dP = DOUT @ V.swapaxes(-1, -2)
    dS = P * (dP - (dP * P).sum(-1, keepdims=True))
    wrong = dS.reshape(dS.shape[0], dS.shape[1], dS.shape[3], dS.shape[2]) @ Q / math.sqrt(2)
    return float(wrong[0, 0, 0, 1])


def fancy_embedding():
    """The gradient of token 2's first channel, which occurs twice, by dE[ids] += g."""
    ids, g = np.array([2, 0, 2]), np.ones((3, 3))
    dE = np.zeros((4, 3))
    dE[ids] += g
    return float(dE[2, 0]), float(
        back(layers, "embedding", g[None], ids[None], np.zeros((4, 3)))[2, 0]
    )


def nucleus(cross):
    """How many tokens of probabilities 0.4, 0.3, 0.2, 0.1 top-p keeps at p = 0.6."""
    cumulative = np.cumsum([0.4, 0.3, 0.2, 0.1])
    before = cumulative - [0.4, 0.3, 0.2, 0.1]
    return float(((before < 0.6) if cross else (cumulative <= 0.6)).sum())


def decayed_by_adam(apart):
    """How far one step moves a weight of 1 whose gradient is 0.01 (lr 0.1, wd 0.1), beyond a step
    without decay.
    """

    def step(g):
        return 0.1 * g / (abs(g) + 1e-8)

    plain = step(0.01)
    return (plain + 0.1 * 0.1 if apart else step(0.01 + 0.1 * 1.0)) - plain


def softmax_diagonal():
    """dz[1] by the diagonal alone, for z = [2, 1, 0.1] and g = [1, 0, 0]."""
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
    """How far the logits at the first of 3 places move when the third token changes."""
    ops = "numpy" if masked else overlay({"multi_head_attention_forward": _without_mask})
    model = GPT(CONFIG, ops=ops, params=gpt(CONFIG, "numpy").params)
    one, other = (model.forward(np.array([[1, 3, last]]))[0][0, 0] for last in (1, 4))
    return float(np.abs(one - other).max())
