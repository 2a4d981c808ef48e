"""Formulas of the layers that treat each token by itself.

Linear, softmax, loss, layer norm, embedding, dropout.
"""

import math

import numpy as np

from minigpt import layers
from minigpt.formulas.core import back, flat, numbers, of_contract, of_library, out, slope

Z, G = np.array([2.0, 1.0, 0.1]), np.array([1.0, 0.0, 0.0])  # logits and an upstream gradient
# two tokens of three channels; the gradient of two rows of four
X, DX = numbers(1, 2, 3), numbers(2, 2, 4)
W, BIAS = numbers(3, 3, 4), numbers(4, 4)
ROW, GAIN, SHIFT, DROW = (
    np.array([[1.0, 2.0, 3.0, 4.0]]),
    numbers(5, 4),
    numbers(6, 4),
    numbers(7, 1, 4),
)
IDS, TABLE, DTOKENS = np.array([[2, 0, 2]]), numbers(8, 4, 3), numbers(9, 1, 3, 3)


def log_sum_exp(z):
    return math.log(sum(math.exp(v) for v in z))


FORMULAS = [
    of_contract(
        "softmax.forward",
        "softmax",
        r"p_i = \frac{e^{z_i - m}}{\sum_j e^{z_j - m}}, \quad m = \max_j z_j",
        "p_i = exp(z_i - m) / sum_j exp(z_j - m),  m = max z",
        "Vaswani et al. 2017, section 3.2.1 (its use); Boltzmann's distribution",
        "softmax_forward",
        "z = [2, 1, 0.1]",
        lambda ops: out(ops.softmax_forward, Z),
        golden=[0.6590011389, 0.2424329707, 0.0985658904],
        literal=lambda: np.exp(Z) / np.exp(Z).sum(),
    ),
    of_contract(
        "softmax.shift",
        "a constant added to all logits changes nothing",
        r"\mathrm{softmax}(z + c) = \mathrm{softmax}(z)",
        "softmax(z + c) = softmax(z)",
        "e^(z+c) = e^c e^z cancels; so m may be subtracted",
        "softmax_forward",
        "z = [2, 1, 0.1] + 1000, where exp alone overflows",
        lambda ops: out(ops.softmax_forward, Z + 1000.0),
        golden=[0.6590011389, 0.2424329707, 0.0985658904],
    ),
    of_contract(
        "softmax.backward",
        "softmax, backward",
        r"\frac{\partial L}{\partial z_i} = p_i \Big(g_i - \sum_j g_j p_j\Big)",
        "dz = p * (g - <g, p>)",
        "the Jacobian p_i (1[i = j] - p_j) times g; derived in notebook 03",
        "softmax_backward softmax_forward",
        "z = [2, 1, 0.1], g = [1, 0, 0]",
        lambda ops: back(ops, "softmax", G, Z),
        golden=[0.2247186378, -0.1597636038, -0.064955034],
        differences=lambda: slope(lambda z: out(layers.softmax_forward, z), Z, G),
    ),
    of_contract(
        "cross_entropy.forward",
        "cross-entropy: the surprise of the right token, in nats",
        r"L = -\frac{1}{N} \sum_n \log p_n[y_n]",
        "L = -1/N sum_n log p_n[y_n]",
        "Radford et al. 2018 (GPT-1), equation 1, as a mean and with the opposite sign; "
        "Shannon 1948",
        "cross_entropy_forward",
        "logits [2, 1, 0.1], the right token is 0",
        lambda ops: out(ops.cross_entropy_forward, Z[None], np.array([0])),
        golden=0.4170300163,
        literal=lambda: log_sum_exp(Z) - Z[0],
    ),
    of_contract(
        "cross_entropy.backward",
        "cross-entropy, backward: probability minus one at the right token",
        r"\frac{\partial L}{\partial z_{nj}} = \frac{p_{nj} - 1[j = y_n]}{N}",
        "dz = (p - onehot(y)) / N",
        "d logsumexp / dz = p; derived in notebook 03",
        "cross_entropy_backward cross_entropy_forward",
        "logits [2, 1, 0.1], the right token is 0",
        lambda ops: back(ops, "cross_entropy", 1.0, Z[None], np.array([0])),
        golden=[[-0.3409988611, 0.2424329707, 0.0985658904]],
        differences=lambda: slope(
            lambda z: out(layers.cross_entropy_forward, z, np.array([0])), Z[None], 1.0
        ),
    ),
    of_contract(
        "cross_entropy.uniform",
        "a uniform guess costs ln V",
        r"L(z = 0) = \ln V",
        "L(z = 0) = ln V",
        "Shannon 1948: the entropy of V equally likely symbols",
        "cross_entropy_forward",
        "V = 65 equal logits",
        lambda ops: out(ops.cross_entropy_forward, np.zeros((1, 65)), np.array([7])),
        golden=4.1743872699,
        literal=lambda: math.log(65),
    ),
    of_contract(
        "linear.forward",
        "linear layer",
        r"y_o = \sum_i x_i W_{io} + b_o",
        "y = x W + b",
        "Vaswani et al. 2017, equation 2 (one of its terms)",
        "linear_forward",
        "x (2, 3), W (3, 4), b (4,), of two digits",
        lambda ops: out(ops.linear_forward, X, W, BIAS),
        literal=lambda: np.einsum("ni,io->no", X, W) + BIAS,
    ),
    of_contract(
        "linear.backward_x",
        "linear layer, backward to its input",
        r"\frac{\partial L}{\partial x} = g W^\top",
        "dx = g W^T",
        "dL/dx_i = sum_o g_o W_io; derived in notebook 04",
        "linear_backward linear_forward",
        "as linear.forward, g (2, 4)",
        lambda ops: back(ops, "linear", DX, X, W, BIAS)[0],
        differences=lambda: slope(lambda x: x @ W + BIAS, X, DX),
    ),
    of_contract(
        "linear.backward_weight",
        "linear layer, backward to its weights",
        r"\frac{\partial L}{\partial W} = x^\top g",
        "dW = x^T g, all leading axes flattened",
        "dL/dW_io = sum_n x_ni g_no; derived in notebook 04",
        "linear_backward linear_forward",
        "as linear.forward, g (2, 4)",
        lambda ops: back(ops, "linear", DX, X, W, BIAS)[1],
        differences=lambda: slope(lambda w: X @ w + BIAS, W, DX),
    ),
    of_contract(
        "linear.backward_bias",
        "linear layer, backward to its bias",
        r"\frac{\partial L}{\partial b} = \sum_n g_n",
        "db = sum of g over all tokens",
        "dL/db_o = sum_n g_no; derived in notebook 04",
        "linear_backward linear_forward",
        "as linear.forward, g (2, 4)",
        lambda ops: back(ops, "linear", DX, X, W, BIAS)[2],
        differences=lambda: slope(lambda b: X @ W + b, BIAS, DX),
    ),
    of_contract(
        "layer_norm.forward",
        "layer norm: each token to mean 0 and variance 1, then scaled and shifted",
        r"y = \gamma \odot \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta, \quad \sigma^2 = "
        r"\frac{1}{C} \sum_c (x_c - \mu)^2",
        "y = gamma * (x - mean) / sqrt(var + eps) + beta, var divided by C",
        "Ba, Kiros and Hinton 2016, equations 3 and 4; eps inside the root as in GPT-2's code",
        "layer_norm_forward",
        "x = [1, 2, 3, 4], gamma 1, beta 0, eps 1e-5",
        lambda ops: out(ops.layer_norm_forward, ROW, np.ones(4), np.zeros(4)),
        literal=lambda: (ROW - ROW.mean()) / math.sqrt(ROW.var() + 1e-5),
    ),
    of_contract(
        "layer_norm.backward_x",
        "layer norm, backward to its input",
        r"\frac{\partial L}{\partial x} = \frac{1}{\sqrt{\sigma^2 + \epsilon}}"
        r" \big(h - \bar h - \hat x\, \overline{h \odot \hat x}\big), \quad h = g \odot \gamma",
        "dx = rstd * (h - mean(h) - xhat * mean(h * xhat)),  h = g * gamma",
        "derived in notebook 07; exact for any eps inside the root",
        "layer_norm_backward layer_norm_forward",
        "x = [1, 2, 3, 4], gamma = [-0.8, -1.32, -0.25, 0.42], g = [0, 0.3, -0.27, -0.89]",
        lambda ops: back(ops, "layer_norm", DROW, ROW, GAIN, SHIFT)[0],
        differences=lambda: slope(
            lambda x: out(layers.layer_norm_forward, x, GAIN, SHIFT), ROW, DROW
        ),
    ),
    of_contract(
        "layer_norm.backward_gain",
        "layer norm, backward to gamma and beta",
        r"\frac{\partial L}{\partial \gamma} = \sum_{B,T} g \odot \hat x, \quad \frac{\partial "
        r"L}{\partial \beta} = \sum_{B,T} g",
        "dgamma = sum g * xhat, dbeta = sum g, over all tokens",
        "derived in notebook 07",
        "layer_norm_backward layer_norm_forward",
        "x = [1, 2, 3, 4], g = [0, 0.3, -0.27, -0.89]: dgamma, then dbeta",
        lambda ops: flat(*back(ops, "layer_norm", DROW, ROW, GAIN, SHIFT)[1:]),
        differences=lambda: flat(
            slope(lambda w: out(layers.layer_norm_forward, ROW, w, SHIFT), GAIN, DROW),
            slope(lambda b: out(layers.layer_norm_forward, ROW, GAIN, b), SHIFT, DROW),
        ),
    ),
    of_contract(
        "layer_norm.invariant",
        "shifting and scaling a token changes nothing",
        r"\mathrm{LN}(a x + c) = \mathrm{LN}(x), \quad a > 0, \epsilon \to 0",
        "LN(a x + c) = LN(x) for a > 0 and eps -> 0",
        "Ba, Kiros and Hinton 2016, section 5.1, table 1 (re-scaling and re-centering)",
        "layer_norm_forward",
        "1000 x + 50 for x = [1, 2, 3, 4], eps = 1e-12",
        lambda ops: out(ops.layer_norm_forward, 1000.0 * ROW + 50.0, np.ones(4), None, 1e-12),
        literal=lambda: (ROW - ROW.mean()) / ROW.std(),
    ),
    of_contract(
        "embedding.forward",
        "embedding: a row of the table for each token",
        r"x_t = E[\mathrm{id}_t]",
        "x_t = E[id_t]",
        "Radford et al. 2018 (GPT-1), equation 2; no factor sqrt(C), which Vaswani et al. have in "
        "section 3.4",
        "embedding_forward",
        "ids [2, 0, 2], a table (4, 3)",
        lambda ops: out(ops.embedding_forward, IDS, TABLE),
        literal=lambda: np.eye(4)[IDS] @ TABLE,
    ),
    of_contract(
        "embedding.backward",
        "embedding, backward: a token that occurs twice gets both gradients",
        r"\frac{\partial L}{\partial E_v} = \sum_{t:\, \mathrm{id}_t = v} g_t",
        "dE_v = sum of g_t over the positions t with id_t = v",
        "the product with a one-hot row; derived in notebook 02",
        "embedding_backward embedding_forward",
        "ids [2, 0, 2], a table (4, 3)",
        lambda ops: back(ops, "embedding", DTOKENS, IDS, TABLE),
        differences=lambda: slope(lambda table: table[IDS], TABLE, DTOKENS),
    ),
    of_contract(
        "dropout.forward",
        "dropout, inverted: kept numbers are scaled up",
        r"y = \frac{x \odot m}{1 - p}, \quad m \sim \mathrm{Bernoulli}(1 - p)",
        "y = x * m / (1 - p)",
        "Srivastava et al. 2014, section 10 (the scaling in training)",
        "dropout_forward",
        "x (2, 3), p = 0.4, the seed fixes the mask",
        lambda ops: out(ops.dropout_forward, X, 0.4, np.random.default_rng(3)),
    ),
    of_contract(
        "dropout.backward",
        "dropout, backward: through the same mask",
        r"\frac{\partial L}{\partial x} = \frac{g \odot m}{1 - p}",
        "dx = g * m / (1 - p)",
        "linear in x for a fixed mask",
        "dropout_backward dropout_forward",
        "x (2, 3), p = 0.4, the seed fixes the mask",
        lambda ops: back(ops, "dropout", X[::-1].copy(), X, 0.4, np.random.default_rng(3)),
        differences=lambda: slope(
            lambda x: out(layers.dropout_forward, x, 0.4, np.random.default_rng(3)), X, X[::-1]
        ),
    ),
    of_library(
        "cross_entropy.perplexity",
        "perplexity: as many equally likely choices",
        r"\mathrm{PPL} = e^{L}",
        "perplexity = e^L, L in nats",
        "Jelinek et al. 1977",
        "L = ln 65, and L = 1.88",
        {
            "written out": ("e to the L", lambda: [65.0, 2.718281828459045**1.88]),
            "minigpt": (
                "minigpt.training.loop.perplexity",
                lambda: [_perplexity(math.log(65)), _perplexity(1.88)],
            ),
        },
    ),
    of_contract(
        "add.residual",
        "the residual sum",
        r"y = x + f(x)",
        "y = x + f(x)",
        "He et al. 2016, equation 1; Vaswani et al. 2017, section 3.1",
        "add",
        "x (2, 3), f(x) the same reversed",
        lambda ops: ops.add(X, X[::-1].copy()),
        literal=lambda: [
            [a + b for a, b in zip(x, y, strict=True)] for x, y in zip(X, X[::-1], strict=True)
        ],
    ),
]


def _perplexity(loss):
    from minigpt.training.evaluation import perplexity

    return perplexity(loss)
