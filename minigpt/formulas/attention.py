"""Formulas of attention, of positions, and of flash attention's online softmax."""

import math

import numpy as np

from minigpt import layers
from minigpt.checks.golden_numbers import POSITIONS
from minigpt.formulas.core import back, flat, numbers, of_contract, of_library, out, slope

KEYS = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])[None, None]  # (1, 1, 3, 2)
VALUES = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])[None, None]
Q, K, V, DOUT = (numbers(seed, 1, 2, 3, 2) for seed in (20, 21, 22, 23))
QKV, DHEADS = numbers(24, 1, 3, 12), numbers(25, 1, 3, 4)
ONLINE = np.array([1.0, 3.0, 2.0, 5.0])


def weights(ops, q, k, window=None):
    """Return P: the output for the identity matrix as v.

    q is scaled, because hs becomes Tk.
    """
    hs, Tk = q.shape[-1], k.shape[2]
    padding = [(0, 0), (0, 0), (0, 0), (0, Tk - hs)]
    q, k = np.pad(q, padding) * math.sqrt(Tk / hs), np.pad(k, padding)
    return out(
        ops.attention_forward,
        q,
        k,
        np.broadcast_to(np.eye(Tk), (*q.shape[:2], Tk, Tk)).copy(),
        True,
        window,
    )


def attention_slope(which):
    """Return central differences of attention in q, k or v."""

    def f(x):
        args = [Q, K, V]
        args[which] = x
        return out(layers.attention_forward, *args)

    return slope(f, (Q, K, V)[which], DOUT)


def by_formulas():
    """Return dS, dQ, dK, dV for each head, as matrix formulas."""
    P = weights(layers, Q, K)
    dV = P.swapaxes(-1, -2) @ DOUT
    dP = DOUT @ V.swapaxes(-1, -2)
    dS = P * (dP - (dP * P).sum(-1, keepdims=True))
    return dS @ K / math.sqrt(2), dS.swapaxes(-1, -2) @ Q / math.sqrt(2), dV, dS, dP, P


def online(x):
    """Return (m, l) after each number.

    m is the maximum so far, l the sum of exp(x - m) so far.
    """
    m, total, rows = -math.inf, 0.0, []
    for number in x:
        m_next = max(m, number)
        total = total * math.exp(m - m_next) + math.exp(number - m_next)
        m = m_next
        rows.append((m, total))
    return rows


def online_attention():
    """Return the last row of causal attention, computed key by key.

    o and l are rescaled whenever the maximum rises.
    """
    q, m, total, o = Q[0, 0, -1], -math.inf, 0.0, np.zeros(2)
    for k, v in zip(K[0, 0], V[0, 0], strict=True):
        s = float(q @ k) / math.sqrt(2)
        m_next = max(m, s)
        shrink, p = math.exp(m - m_next), math.exp(s - m_next)
        m, total, o = m_next, total * shrink + p, o * shrink + p * v
    return o / total


def moved(PE, k):
    """Return the rows of PE, k positions further.

    Each (sin, cos) pair is rotated.
    """
    C = PE.shape[1]
    angles = k / 10000 ** (2 * np.arange(C // 2) / C)  # (C / 2,)
    sine, cosine = PE[:, 0::2], PE[:, 1::2]
    rotated = np.empty_like(PE)
    rotated[:, 0::2] = sine * np.cos(angles) + cosine * np.sin(angles)
    rotated[:, 1::2] = cosine * np.cos(angles) - sine * np.sin(angles)
    return rotated


def variance_of_products(hs):
    """Return the variance of q.k / sqrt(hs), to one digit.

    It is taken over 200,000 pairs of normal vectors.
    """
    rng = np.random.default_rng(0)
    return round(
        float((rng.normal(size=(200_000, hs)) * rng.normal(size=(200_000, hs))).sum(-1).var()) / hs,
        1,
    )


FORMULAS = [
    of_contract(
        "attention.forward",
        "scaled dot-product attention, causal",
        r"O = \mathrm{softmax}\Big(\frac{Q K^\top}{\sqrt{hs}} + M\Big) V, \quad"
        r" M_{ij} = -\infty \text{ where } j > i, \text{ else } 0",
        "O = softmax(Q K^T / sqrt(hs), -inf where j > i) V",
        "Vaswani et al. 2017, equation 1; the mask before the softmax: section 3.2.3",
        "attention_forward",
        "q = k = [[1,0],[0,1],[1,1]], v = [[1,2],[3,4],[5,6]]",
        lambda ops: out(ops.attention_forward, KEYS, KEYS, VALUES),
        golden=[[[[1.0, 2.0], [2.3395230987, 3.3395230987], [3.5104695305, 4.5104695305]]]],
    ),
    of_contract(
        "attention.weights",
        "attention weights: each query's row sums to 1, and later keys have weight 0",
        r"P = \mathrm{softmax}\Big(\frac{Q K^\top}{\sqrt{hs}} + M\Big), \quad \sum_j P_{ij} = 1",
        "P = softmax(Q K^T / sqrt(hs) + M), rows sum to 1",
        "Vaswani et al. 2017, equation 1",
        "attention_forward",
        "q = k = [[1,0],[0,1],[1,1]]",
        lambda ops: weights(ops, KEYS, KEYS),
        golden=[
            [
                [
                    [1, 0, 0],
                    [0.3302384507, 0.6697615493, 0],
                    [0.2482550783, 0.2482550783, 0.5034898435],
                ]
            ]
        ],
    ),
    of_contract(
        "attention.mask",
        "fewer queries than keys: the queries are the last ones",
        r"j \text{ visible to } i \iff j \le i + (T_k - T_q)",
        "query i sees key j if j <= i + (Tk - Tq)",
        "GPT-2's code (attention_mask), FlashAttention 2.1 and later",
        "attention_forward",
        "equal scores, Tq = 2 of Tk = 3: weights 1/2 1/2 0 and 1/3 1/3 1/3",
        lambda ops: weights(ops, np.zeros((1, 1, 2, 2)), np.zeros((1, 1, 3, 2))),
        literal=lambda: [[[[0.5, 0.5, 0.0], [1 / 3, 1 / 3, 1 / 3]]]],
    ),
    of_contract(
        "attention.window",
        "a window: the query's own key and the w - 1 before it",
        r"j \text{ visible to } i \iff i - w < j \le i",
        "query i sees key j where i - w < j <= i",
        "Child et al. 2019, section 4; Brown et al. 2020 (GPT-3), section 2.1",
        "attention_forward",
        "equal scores, T = 3, w = 2: weights 1; 1/2 1/2; 0 1/2 1/2",
        lambda ops: weights(ops, np.zeros((1, 1, 3, 2)), np.zeros((1, 1, 3, 2)), 2),
        literal=lambda: [[[[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.5, 0.5]]]],
    ),
    of_contract(
        "attention.backward_v",
        "attention, backward to the values",
        r"\frac{\partial L}{\partial V} = P^\top G",
        "dV = P^T G",
        "O = P V is linear in V; derived in notebook 05",
        "attention_backward attention_forward",
        "two heads, T = 3, hs = 2, of two digits",
        lambda ops: back(ops, "attention", DOUT, Q, K, V)[2],
        differences=lambda: attention_slope(2),
        literal=lambda: by_formulas()[2],
    ),
    of_contract(
        "attention.backward_q",
        "attention, backward to the queries",
        r"\frac{\partial L}{\partial Q} = \frac{dS\, K}{\sqrt{hs}}, \quad"
        r" dS = P \odot (dP - \mathrm{rowsum}(dP \odot P)), \; dP = G V^\top",
        "dQ = dS K / sqrt(hs),  dS = P * (dP - rowsum(dP * P)),  dP = G V^T",
        "derived in notebook 05",
        "attention_backward attention_forward",
        "two heads, T = 3, hs = 2, of two digits",
        lambda ops: back(ops, "attention", DOUT, Q, K, V)[0],
        differences=lambda: attention_slope(0),
        literal=lambda: by_formulas()[0],
    ),
    of_contract(
        "attention.backward_k",
        "attention, backward to the keys: a transpose, not a reshape",
        r"\frac{\partial L}{\partial K} = \frac{dS^\top Q}{\sqrt{hs}}",
        "dK = dS^T Q / sqrt(hs)",
        "derived in notebook 05",
        "attention_backward attention_forward",
        "two heads, T = 3, hs = 2, of two digits",
        lambda ops: back(ops, "attention", DOUT, Q, K, V)[1],
        differences=lambda: attention_slope(1),
        literal=lambda: by_formulas()[1],
    ),
    of_library(
        "attention.variance",
        "the variance of q.k is hs: why the scores are divided by sqrt(hs)",
        r"\mathrm{Var}(q \cdot k) = hs \quad \text{for independent components of mean 0 and "
        r"variance 1}",
        "Var(q . k) = hs",
        "Vaswani et al. 2017, section 3.2.1, footnote 4",
        "variance / hs of 200,000 random pairs, hs = 16, 64, 256, to one digit",
        {
            "written out": ("what the formula says, over hs", lambda: [1.0, 1.0, 1.0]),
            "random pairs": (
                "np.random.default_rng(0).normal",
                lambda: [variance_of_products(hs) for hs in (16, 64, 256)],
            ),
        },
    ),
    of_contract(
        "multi_head_attention.forward",
        "many heads, each on its own channels",
        r"\mathrm{concat}_h\, \mathrm{Attention}(Q_h, K_h, V_h)",
        "concat over h of Attention(Q_h, K_h, V_h)",
        "Vaswani et al. 2017, section 3.2.2",
        "multi_head_attention_forward",
        "qkv (1, 3, 12), 2 heads of hs = 2",
        lambda ops: out(ops.multi_head_attention_forward, QKV, 2),
        literal=lambda: np.concatenate(
            [
                out(
                    layers.attention_forward,
                    *(QKV[None, :, :, i + h : i + h + 2] for i in (0, 4, 8)),
                )[0]
                for h in (0, 2)
            ],
            axis=-1,
        ),
    ),
    of_contract(
        "multi_head_attention.backward",
        "many heads, backward: split and merge are undone, nothing is summed",
        r"dQKV = \mathrm{merge}\big(dQ_h, dK_h, dV_h\big)",
        "dqkv = merge(dQ_h, dK_h, dV_h)",
        "a rearrangement's gradient is the rearrangement back; notebook 06",
        "multi_head_attention_backward multi_head_attention_forward",
        "qkv (1, 3, 12), 2 heads of hs = 2",
        lambda ops: back(ops, "multi_head_attention", DHEADS, QKV, 2),
        differences=lambda: slope(
            lambda x: out(layers.multi_head_attention_forward, x, 2), QKV, DHEADS
        ),
    ),
    of_contract(
        "positions.sinusoidal",
        "sinusoidal positions",
        r"PE_{pos,2i} = \sin\frac{pos}{10000^{2i/C}}, \quad PE_{pos,2i+1} = "
        r"\cos\frac{pos}{10000^{2i/C}}",
        "PE(pos, 2i) = sin(pos / 10000^(2i/C)), PE(pos, 2i+1) = cos of the same",
        "Vaswani et al. 2017, section 3.5",
        "sinusoidal_positions",
        "T = 3, C = 4",
        lambda ops: ops.sinusoidal_positions(3, 4),
        golden=POSITIONS,
    ),
    of_contract(
        "positions.norm",
        "every position has the same length",
        r"\lVert PE_{pos} \rVert^2 = C / 2",
        "|PE(pos)|^2 = C/2",
        "sin^2 + cos^2 = 1, C/2 times",
        "sinusoidal_positions",
        "T = 5, C = 8",
        lambda ops: (ops.sinusoidal_positions(5, 8) ** 2).sum(axis=-1),
        literal=lambda: np.full(5, 4.0),
    ),
    of_contract(
        "positions.shift",
        "k positions further is a rotation, the same at every position",
        r"PE_{pos+k} = R_k\, PE_{pos}",
        "PE(pos + k) = R_k PE(pos), R_k rotating each (sin, cos) pair",
        "Vaswani et al. 2017, section 3.5",
        "sinusoidal_positions",
        "rows 3 .. 5 from rows 0 .. 2, C = 6",
        lambda ops: ops.sinusoidal_positions(6, 6)[3:],
        literal=lambda: moved(layers.sinusoidal_positions(3, 6), 3),
    ),
    of_library(
        "flash.online_softmax",
        "online softmax: the maximum and the sum in one pass",
        r"m' = \max(m, x), \quad \ell' = \ell\, e^{m - m'} + e^{x - m'}",
        "m' = max(m, x),  l' = l exp(m - m') + exp(x - m')",
        "Milakov and Gimelshein 2018, algorithm 3",
        "x = 1, 3, 2, 5: m, l after each",
        {"written out": ("minigpt.formulas.attention.online", lambda: online(ONLINE))},
        golden=[(1, 1), (3, 1.1353352832), (3, 1.5032147244), (5, 1.2034379905)],
    ),
    of_library(
        "flash.log_sum_exp",
        "what flash attention stores per row: one number",
        r"L = m + \log \ell = \log \sum_j e^{x_j}",
        "L = m + log l = log sum exp x",
        "Dao 2023 (FlashAttention-2), algorithm 1",
        "x = 1, 3, 2, 5",
        {
            "written out": ("log sum exp", lambda: math.log(np.exp(ONLINE).sum())),
            "online": (
                "minigpt.formulas.attention.online",
                lambda: online(ONLINE)[-1][0] + math.log(online(ONLINE)[-1][1]),
            ),
        },
        golden=5.1851824526,
    ),
    of_contract(
        "flash.forward",
        "flash attention: the output rescaled whenever the maximum rises",
        r"o' = e^{m - m'} o + e^{s - m'} v, \quad \text{at the end } O = o / \ell",
        "o' = exp(m - m') o + exp(s - m') v, at the end O = o / l",
        "Dao 2023 (FlashAttention-2), algorithm 1, without the inverse that it prints",
        "attention_forward",
        "q = [0.41, -0.49], k = [[0.36, 1.51], [-1.79, 1.69], [-0.05, -0.8]], v = [[-1.4, -1.2], "
        "[-1.3, -0.62], [1.45, -1.6]]",
        lambda ops: out(ops.attention_forward, Q, K, V)[0, 0, -1],
        literal=online_attention,
    ),
    of_contract(
        "flash.backward_D",
        "flash attention, backward: the row sum needs no P",
        r"D = \mathrm{rowsum}(dP \odot P) = \mathrm{rowsum}(G \odot O)",
        "D = rowsum(dP * P) = rowsum(G * O)",
        "Dao et al. 2022, appendix B.2; Dao 2023, algorithm 2",
        "attention_forward",
        "two heads, T = 3, hs = 2",
        lambda ops: (DOUT * out(ops.attention_forward, Q, K, V)).sum(-1),
        literal=lambda: (by_formulas()[4] * by_formulas()[5]).sum(-1),
    ),
    of_contract(
        "attention.backward_sum",
        "the rows of dS sum to 0: a bias on all keys changes nothing",
        r"\sum_j dS_{ij} = 0 \;\Rightarrow\; \frac{\partial L}{\partial b_K} = \sum_j dK_j = 0",
        "sum_j dS_ij = 0, so the gradient of the keys' bias, sum_j dK_j, is 0",
        "softmax ignores an added constant; derived in notebook 05",
        "attention_backward attention_forward",
        "two heads, T = 3, hs = 2: dK summed over the keys",
        lambda ops: flat(back(ops, "attention", DOUT, Q, K, V)[1].sum(axis=2)),
        literal=lambda: np.zeros(4),
    ),
]
