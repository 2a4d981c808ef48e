"""Formulas that circulate and are wrong, each with the number that refutes it: computed here, not quoted.

They are found in introductory articles, in papers' own pseudocode, and in code that trains all the same, a little worse. A wrong
formula is written out below as it is printed, and nowhere else in this package.
"""

import math

import numpy as np

from minigpt import GPT, layers
from minigpt.config import published
from minigpt.formulas.attention import DOUT, K, Q, V, weights
from minigpt.formulas.core import Refuted, numbers
from minigpt.formulas.layers import FC, X, back, out, slope
from minigpt.ops import overlay
from minigpt.parameters import parameter_count

ARTICLES, MISTAKES = "introductory articles", "code, as a common mistake"


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
    """How much attention's output moves, apart from the exchange itself, when two tokens change places (no mask)."""
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
        total, o, m = total * shrink + math.exp(s - m_next), o * factor + math.exp(s - m_next) * v, m_next
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
    return float(dE[2, 0]), float(back(layers, "embedding", g[None], ids[None], np.zeros((4, 3)))[2, 0])


def nucleus(cross):
    """How many tokens of probabilities 0.4, 0.3, 0.2, 0.1 top-p keeps at p = 0.6."""
    cumulative = np.cumsum([0.4, 0.3, 0.2, 0.1])
    before = cumulative - [0.4, 0.3, 0.2, 0.1]
    return float(((before < 0.6) if cross else (cumulative <= 0.6)).sum())


def decayed_by_adam(apart):
    """How far one step moves a weight of 1 whose gradient is 0.01 (lr 0.1, wd 0.1), beyond a step without decay."""

    def step(g):
        return 0.1 * g / (abs(g) + 1e-8)

    plain = step(0.01)
    return (plain + 0.1 * 0.1 if apart else step(0.01 + 0.1 * 1.0)) - plain


def softmax_diagonal():
    z = np.array([2.0, 1.0, 0.1])
    p, _ = layers.softmax_forward(z)
    return float((p * (1 - p))[1] * 0.0 + (p * (1 - p) * np.array([1.0, 0, 0]))[1])


REFUTED = [
    Refuted(
        "gelu.sigmoid_of_x_tanh",
        "GELU(x) = x sigmoid(1 + x tanh x)",
        r"\mathrm{GELU}(x) \ne x\,\sigma(1 + x \tanh x)",
        ARTICLES,
        "x Phi(x). x tanh x is even, so the claim is an odd function: it keeps large negative numbers",
        "Hendrycks and Gimpel 2016, section 2",
        "GELU(-3)",
        lambda: (odd_gelu(-3.0), gelu(-3.0)),
        (-2.9452, -0.00404969),
    ),
    Refuted(
        "layer_norm.with_sigmoid",
        "LayerNorm(x + gH) = x + g H / sqrt(d) * sigmoid(W H + b)",
        r"\mathrm{LN}(x + gH) \ne x + \frac{g H}{\sqrt d}\, \mathrm{sigmoid}(W H + b)",
        ARTICLES,
        "gamma (x - mean) / sqrt(var + eps) + beta: no sigmoid and no matrix, and before gamma and beta its mean is 0",
        "Ba, Kiros and Hinton 2016, equations 3 and 4",
        "the mean of the output for x = H = [1, 2, 3, 4], d = 4, and with g = 1, W = b = 0, gamma = 1, beta = 0",
        lambda: (
            np.mean(np.arange(1, 5) + np.arange(1, 5) / 2 * 0.5),
            layers.layer_norm_forward(np.arange(1.0, 5.0), np.ones(4))[0].mean(),
        ),
        (3.125, 0.0),
    ),
    Refuted(
        "positions.normalised",
        "positions are normalised to [-1, 1] before the sine",
        r"PE_{pos} \ne \sin\Big(\frac{2\,pos}{T - 1} - 1\Big)",
        ARTICLES,
        "the absolute position: else position 3 of a text of 8 is another vector than position 3 of a text of 16",
        "Vaswani et al. 2017, section 3.5",
        "the first channel at position 3, for T = 8 less that for T = 16",
        lambda: (
            normalised(3, 8) - normalised(3, 16),
            layers.sinusoidal_positions(8, 4)[3, 0] - layers.sinusoidal_positions(16, 4)[3, 0],
        ),
        (0.422271, 0.0),
    ),
    Refuted(
        "positions.sine_only",
        "PE(i, j) = sin(i / 10000^(2j/d)), for every channel j",
        r"PE_{ij} \ne \sin\big(i / 10000^{2j/d}\big)",
        ARTICLES,
        "sines and cosines in pairs, which share a frequency: then the product of two rows depends on their distance alone",
        "Vaswani et al. 2017, section 3.5",
        "how much the product of rows 5 apart varies over 100 places, d = 512",
        lambda: (spread_of_products(sine_only(100, 512)), spread_of_products(layers.sinusoidal_positions(100, 512))),
        (49.9412, 0.0),
    ),
    Refuted(
        "positions.longest_wavelength",
        "the wavelengths go from 2 pi to 10000 * 2 pi",
        r"\lambda_{max} \ne 10000 \cdot 2\pi",
        "Vaswani et al. 2017 itself, section 3.5",
        "the last pair has i = d/2 - 1: 10000^(1 - 2/d) * 2 pi",
        "computed from the formula of section 3.5",
        "the longest wavelength / 2 pi, d = 512",
        lambda: (10000.0, 10000 ** (510 / 512)),
        (10000.0, 9646.6),
    ),
    Refuted(
        "positions.after_attention",
        "positional encoding is added to the result of self-attention",
        r"h \ne \mathrm{Attention}(x) + PE",
        ARTICLES,
        "to the embeddings, before the first block: attention without a mask does not see the order of its tokens",
        "Radford et al. 2018 (GPT-1), equation 2",
        "how much attention's output moves when two tokens change places, apart from the exchange",
        lambda: (attention_sees_order(False), attention_sees_order(True)),
        (0.0, 0.900003),
    ),
    Refuted(
        "attention.mask_after_softmax",
        "set the hidden weights to 0 after the softmax",
        r"P_{ij} \ne \mathrm{softmax}(S)_{ij} \cdot 1[j \le i]",
        MISTAKES,
        "scores of -inf before the softmax: then the visible weights sum to 1",
        "Vaswani et al. 2017, section 3.2.3",
        "the sum of the first query's weights, two heads of random numbers, T = 3",
        lambda: (masked_after_softmax(), weights(layers, Q, K)[0, 0, 0].sum()),
        (0.315441, 1.0),
    ),
    Refuted(
        "attention.upper_left",
        "the causal mask is tril(ones(Tq, Tk)), also where there are more keys than queries",
        r"\mathrm{visible} \ne \mathrm{tril}(1_{T_q \times T_k})",
        "PyTorch's is_causal (issues 103082 and 108108)",
        "aligned to the lower right: the last query is the newest token and sees every key",
        "FlashAttention 2.1; PyTorch issue 108108",
        "which fraction of 4 keys the last of 2 queries sees",
        upper_left,
        (0.5, 1.0),
    ),
    Refuted(
        "attention.divided_by_d",
        "scores are divided by the head size, not its root",
        r"P \ne \mathrm{softmax}(Q K^\top / hs)",
        MISTAKES,
        "by sqrt(hs): the variance of q.k is hs, and its standard deviation the root",
        "Vaswani et al. 2017, equation 1 and footnote 4",
        "the variance of the scores, hs = 64, components of variance 1",
        lambda: (64 / 64**2, 64 / 64),
        (0.015625, 1.0),
    ),
    Refuted(
        "attention.dk_reshaped",
        "dK = reshape(dS) Q / sqrt(hs)",
        r"dK \ne \mathrm{reshape}(dS)\, Q / \sqrt{hs}",
        "a public NumPy transformer",
        "the transpose: for Tq = Tk the shapes agree, and no shape check sees it",
        "derived in notebook 05",
        "dK of the first key, second channel, two heads of random numbers, T = 3",
        lambda: (reshaped_keys(), back(layers, "attention", DOUT, Q, K, V)[1][0, 0, 0, 1]),
        (0.0, 0.130293),
    ),
    Refuted(
        "layer_norm.gamma_outside",
        "dx = gamma * rstd * (g - mean(g) - xhat * mean(g * xhat))",
        r"\frac{\partial L}{\partial x} \ne \gamma \odot \frac{1}{\sigma}\big(g - \bar g - \hat x\, \overline{g \odot \hat x}\big)",
        "a public NumPy transformer",
        "gamma goes into both means: h = g * gamma. With gamma = 1, as at the start of training, both are equal",
        "derived in notebook 07",
        "dx[0] for x = [1, 2, 3, 4], gamma = [-0.8, -1.32, -0.25, 0.42], g = [0, 0.3, -0.27, -0.89]",
        lambda: (slope_of_layer_norm(True), slope_of_layer_norm(False)),
        (0.193908, 0.0687729),
    ),
    Refuted(
        "layer_norm.unbiased",
        "the variance of layer norm is divided by C - 1",
        r"\sigma^2 \ne \frac{1}{C - 1} \sum_c (x_c - \mu)^2",
        MISTAKES,
        "by C",
        "Ba, Kiros and Hinton 2016, equation 3",
        "the last number of LN([1, 2, 3, 4])",
        lambda: (1.5 / math.sqrt(5 / 3 + 1e-5), out(layers.layer_norm_forward, np.arange(1.0, 5.0), np.ones(4))[3]),
        (1.16189, 1.34164),
    ),
    Refuted(
        "softmax.diagonal",
        "the derivative of softmax is p (1 - p)",
        r"\frac{\partial p_i}{\partial z_j} \ne p_i (1 - p_i)",
        MISTAKES,
        "that is the diagonal alone; off it the derivative is -p_i p_j",
        "the quotient rule; notebook 03",
        "dz[1] for z = [2, 1, 0.1] and g = [1, 0, 0]",
        lambda: (softmax_diagonal(), slope(lambda z: out(layers.softmax_forward, z), [2.0, 1.0, 0.1], np.array([1.0, 0, 0]))[1]),
        (0.0, -0.159764),
    ),
    Refuted(
        "gelu.slope_without_cube",
        "the slope of the tanh GELU holds sqrt(2/pi) (1 + 0.044715 x^2)",
        r"\frac{d}{dx}(x + 0.044715 x^3) \ne 1 + 0.044715 x^2",
        MISTAKES,
        "3 * 0.044715 = 0.134145",
        "the power rule",
        "the slope at 1",
        lambda: (_gelu_slope(1.0, 0.044715), _gelu_slope(1.0, 0.134145)),
        (1.0639, 1.0829640838),
    ),
    Refuted(
        "embedding.fancy_index",
        "dE[ids] += g",
        r"\texttt{dE[ids] += g}",
        MISTAKES,
        "np.add.at, or sort and add: with an index that occurs twice, NumPy's += keeps one of the two",
        "NumPy's documentation, indexing: assigning values to indexed arrays",
        "the gradient of a token that occurs twice, g = 1",
        fancy_embedding,
        (1.0, 2.0),
    ),
    Refuted(
        "mlp.two_linear_layers",
        "the MLP is two linear layers",
        r"\mathrm{MLP}(x) \ne x W_1 W_2",
        MISTAKES,
        "with an activation between them: two linear layers are one, and MLP(-x) would be -MLP(x)",
        "Vaswani et al. 2017, equation 2",
        "the largest |MLP(x) + MLP(-x)|, without biases",
        lambda: (
            _odd(lambda x: x @ FC @ FC.T),
            _odd(lambda x: out(layers.mlp_forward, x, FC, None, np.ascontiguousarray(FC.T), None)),
        ),
        (0.0, 3.04428),
    ),
    Refuted(
        "flash.inverse_rescale",
        "o = diag(exp(m - m'))^-1 o + P V",
        r"o' \ne \mathrm{diag}(e^{m - m'})^{-1} o + \tilde P V",
        "FlashAttention-2's paper, algorithm 1",
        "without the inverse, as in its code: what is there was too large by exp(m' - m), and must shrink",
        "flash-attention issue 991; 1303 on the next paper, which repeats it: an author says so, and that the code is right",
        "the first channel of the last of 3 queries",
        lambda: (flash_as_printed(True)[0], out(layers.attention_forward, Q, K, V)[0, 0, -1, 0]),
        (-1.48363, 0.233171),
    ),
    Refuted(
        "sampling.nucleus_short",
        "top-p keeps the tokens whose cumulative probability is at most p",
        r"V^{(p)} \ne \{ i : \mathrm{cumsum}_i \le p \}",
        MISTAKES,
        "the smallest set that reaches p: the token that crosses p is in",
        "Holtzman et al. 2020, section 3.1",
        "how many of 0.4, 0.3, 0.2, 0.1 are kept at p = 0.6",
        lambda: (nucleus(False), nucleus(True)),
        (1.0, 2.0),
    ),
    Refuted(
        "adamw.l2_in_the_gradient",
        "weight decay is wd * theta added to the gradient",
        r"g \leftarrow g + \lambda \theta \;\text{ in Adam}",
        "Adam of most libraries before 2018",
        "apart from the gradient: Adam divides it by its own size, and the decay with it",
        "Loshchilov and Hutter 2019, section 2",
        "what the decay of the first step adds (lr 0.1, wd 0.1, theta 1)",
        lambda: (decayed_by_adam(False), decayed_by_adam(True)),
        (9.0909e-8, 0.01),
    ),
    Refuted(
        "gpt2.117_million",
        "GPT-2's smallest model has 117 million parameters",
        r"N \ne 117 \cdot 10^6",
        "Radford et al. 2019, table 2",
        "124,439,808, counted from the shapes; the released checkpoints are called 124M",
        "the README of the repository openai/gpt-2",
        "millions of parameters",
        lambda: (117.0, parameter_count(published("gpt2")) / 1e6),
        (117.0, 124.439808),
    ),
    Refuted(
        "gpt3.xl_heads",
        "GPT-3 XL has 24 heads of 128 in 2048 channels",
        r"24 \cdot 128 \ne 2048",
        "Brown et al. 2020, table 2.1",
        "16 heads",
        "heads times head size is d_model in every other row but 13B's",
        "channels",
        lambda: (24 * 128, published("gpt3-xl").n_embd),
        (3072.0, 2048.0),
    ),
    Refuted(
        "gpt3.13b_channels",
        "GPT-3 13B has 5140 channels in 40 heads of 128",
        r"40 \cdot 128 \ne 5140",
        "Brown et al. 2020, table 2.1",
        "5120 channels",
        "heads times head size is d_model in every other row but XL's",
        "channels",
        lambda: (5140.0, 40 * 128),
        (5140.0, 5120.0),
    ),
    Refuted(
        "gpt.autoencoder",
        "GPT is a generative autoencoder: it reconstructs its input",
        r"L \ne -\sum_t \log p(u_t \mid u_1 \ldots u_n)",
        ARTICLES,
        "autoregressive: each token is predicted from those before it, and a later one changes nothing",
        "Radford et al. 2018 (GPT-1), equation 1",
        "how much the logits at the first of 3 places move when the third token changes (the claim: no mask)",
        lambda: (_later_token(masked=False), _later_token(masked=True)),
        (0.25315, 0.0),
    ),
]


def _gelu_slope(x, cubic):
    t = math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * math.sqrt(2 / math.pi) * (1 + cubic * x * x)


def _odd(mlp):
    return float(np.abs(mlp(X) + mlp(-X)).max())


def _without_mask(qkv, n_head, causal, *rest):
    return layers.multi_head_attention_forward(qkv, n_head, False, *rest)


def _later_token(masked):
    """How far the logits at the first of 3 places move when the third token changes."""
    from minigpt.formulas.model import CONFIG, gpt

    ops = "numpy" if masked else overlay({"multi_head_attention_forward": _without_mask})
    model = GPT(CONFIG, ops=ops, params=gpt(CONFIG, "numpy").params)
    one, other = (model.forward(np.array([[1, 3, last]]))[0][0, 0] for last in (1, 4))
    return float(np.abs(one - other).max())
