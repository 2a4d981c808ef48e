"""Formulas of training and sampling.

AdamW, clipping, the schedule, Muon; temperature, top-k, top-p; units of the loss.
"""

import math

import numpy as np

from minigpt.formulas.core import implementation, numbers, of_library
from minigpt.generation.sampling import probabilities
from minigpt.optim import AdamWState, adamw_init, adamw_step, clip_grad_norm, learning_rate
from minigpt.training.muon import orthogonalize

LOGITS = np.array([[2.0, 1.0, 0.1, -1.0]])
GRADIENTS = ([0.1, -0.2], [0.3, 0.1], [-0.2, 0.4])  # of two weights, at three steps
MATRIX = numbers(50, 3, 4)


def written_adamw(weight_decay=0.01, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    """Return three steps of AdamW, line by line, from theta = 1."""
    theta, m, v = [1.0, 1.0], [0.0, 0.0], [0.0, 0.0]
    for t, gradient in enumerate(GRADIENTS, start=1):
        for i, g in enumerate(gradient):
            m[i] = beta1 * m[i] + (1 - beta1) * g
            v[i] = beta2 * v[i] + (1 - beta2) * g * g
            mhat, vhat = m[i] / (1 - beta1**t), v[i] / (1 - beta2**t)
            theta[i] = theta[i] - lr * weight_decay * theta[i] - lr * mhat / (math.sqrt(vhat) + eps)
    return theta


def run_adamw(step=adamw_step, gradients=GRADIENTS):
    params = {"w": np.ones((1, 2))}  # a matrix, so that it is decayed
    state: AdamWState = adamw_init(params)
    for t, gradient in enumerate(gradients, start=1):
        step(params, {"w": np.array([gradient])}, state, t, 1e-3, weight_decay=0.01)
    return params["w"][0]


def adamw_ways():
    ways = {
        "written out": ("Kingma and Ba's algorithm 1, with the decay apart", written_adamw),
        "NumPy": ("minigpt.optim.adamw_step", run_adamw),
    }
    kernels = implementation("kernels")
    if kernels is not None:
        ways["kernel"] = ("kernels.adamw_step", lambda: run_adamw(kernels.adamw_step))
    return ways


def norm_ways():
    small = {"a": np.float32([3.0, 0.0]), "b": np.float32([0.0, 4.0])}
    ways = {
        "written out": ("sqrt(3^2 + 4^2)", lambda: 5.0),
        "NumPy": ("minigpt.optim.clip_grad_norm", lambda: clip_grad_norm(small, 1.0)[1]),
    }
    kernels = implementation("kernels")
    if kernels is not None:
        ways["kernel"] = ("kernels.grad_norm", lambda: kernels.grad_norm(small))
    return ways


def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


def kept(p, keep):
    return np.where(keep, p, 0.0) / p[keep].sum()


def written_schedule(step):
    if step < 10:
        return 0.1 * (step + 1) / 11
    if step >= 100:
        return 0.01
    return 0.01 + 0.5 * (1 + math.cos(math.pi * (step - 10) / 90)) * 0.09


def quintic_of_singular_values():
    """Return the polynomial of the singular values.

    Muon itself never computes them.
    """
    u, s, vt = np.linalg.svd(MATRIX, full_matrices=False)
    s = s / (math.sqrt(float((MATRIX**2).sum())) + 1e-7)
    for _ in range(5):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    return u * s @ vt


FORMULAS = [
    of_library(
        "adamw.step",
        "AdamW: a step of the size of the learning rate, in the gradient's direction; "
        "decay separate",
        r"\hat m = \frac{m}{1 - \beta_1^t}, \; \hat v = \frac{v}{1 - \beta_2^t}, \quad"
        r" \theta \leftarrow \theta - \eta \lambda \theta - \eta \frac{\hat m}{\sqrt{\hat v} + "
        r"\epsilon}",
        "theta = theta - lr wd theta - lr mhat / (sqrt(vhat) + eps), t from 1",
        "Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter 2019, algorithm 2, the decay times "
        "lr as in PyTorch",
        "theta = (1, 1), three steps, lr 1e-3, wd 0.01",
        adamw_ways(),
    ),
    of_library(
        "adamw.first_step",
        "AdamW's first step: the sign of the gradient, whatever its size",
        r"t = 1: \quad \frac{\hat m}{\sqrt{\hat v} + \epsilon} = \frac{g}{|g| + \epsilon}",
        "at t = 1: mhat / (sqrt(vhat) + eps) = g / (|g| + eps)",
        "Kingma and Ba 2015, section 3: the bias correction",
        "theta = 1, g = 0.1, lr 1e-3, wd 0.01",
        {
            "written out": (
                "1 - lr wd - lr g / (g + eps)",
                lambda: 1 - 1e-5 - 1e-3 * 0.1 / (0.1 + 1e-8),
            ),
            "NumPy": ("minigpt.optim.adamw_step", lambda: run_adamw(gradients=[[0.1, 0.1]])[0]),
        },
        golden=0.9989900001,
    ),
    of_library(
        "adamw.grad_norm",
        "the length of all gradients together",
        r"\lVert g \rVert = \sqrt{\sum_{\theta} \sum_i g_{\theta,i}^2}",
        "|g| = sqrt(sum of all squares)",
        "Pascanu, Mikolov and Bengio 2013, algorithm 1",
        "gradients (3, 0) and (0, 4)",
        norm_ways(),
    ),
    of_library(
        "adamw.clip",
        "clipping: one factor for all, so the direction stays",
        r"g \leftarrow g \cdot \min\Big(1, \frac{c}{\lVert g \rVert}\Big)",
        "g = g min(1, c / |g|)",
        "Pascanu, Mikolov and Bengio 2013, algorithm 1",
        "gradients (3, 0) and (0, 4), c = 1",
        {
            "written out": ("g / 5", lambda: [0.6, 0.0, 0.0, 0.8]),
            "NumPy": ("minigpt.optim.clip_grad_norm", lambda: _clipped()),
        },
    ),
    of_library(
        "schedule.cosine",
        "the learning rate: linear warm-up, then half a cosine down",
        r"\eta_{min} + \tfrac12 (1 + \cos \pi r)(\eta_{max} - \eta_{min}), \quad r = \frac{t - "
        r"w}{d - w}",
        "lr = min + (1 + cos(pi r))/2 (max - min), r = (step - warmup) / (decay - warmup)",
        "Radford et al. 2018 (GPT-1), section 4.1; Loshchilov and Hutter 2017, equation 5",
        "max 0.1, min 0.01, warm-up 10, decay until 100: steps 0, 5, 10, 55, 99, 200",
        {
            "written out": (
                "line, half a cosine, constant",
                lambda: [written_schedule(t) for t in (0, 5, 10, 55, 99, 200)],
            ),
            "minigpt": (
                "minigpt.optim.learning_rate",
                lambda: [learning_rate(t, 0.1, 0.01, 10, 100) for t in (0, 5, 10, 55, 99, 200)],
            ),
        },
    ),
    of_library(
        "muon.orthogonalize",
        "Muon: every singular value of the step becomes about 1, using products only",
        r"X \leftarrow a X + b (X X^\top) X + c (X X^\top)^2 X",
        "X = a X + (b X X^T + c (X X^T)^2) X, five rounds",
        "Jordan et al. 2024 (Muon), with their coefficients",
        "a matrix (3, 4) of two digits",
        {
            "written out": ("the quintic of each singular value", quintic_of_singular_values),
            "minigpt": ("minigpt.training.muon.orthogonalize", lambda: orthogonalize(MATRIX)),
        },
    ),
    of_library(
        "sampling.temperature",
        "temperature: below 1 safer, above 1 wilder",
        r"p_i \propto e^{z_i / \tau}",
        "p = softmax(z / temperature)",
        "Ackley, Hinton and Sejnowski 1985",
        "z = [2, 1, 0.1, -1] at 0.5 and at 2",
        {
            "written out": ("softmax", lambda: [softmax(LOGITS[0] / t) for t in (0.5, 2.0)]),
            "minigpt": (
                "minigpt.generation.sampling.probabilities",
                lambda: [probabilities(LOGITS, t)[0] for t in (0.5, 2.0)],
            ),
        },
    ),
    of_library(
        "sampling.top_k",
        "top-k: the k most likely, scaled up to sum to 1",
        r"p_i' = \frac{p_i\, 1[i \in \mathrm{top}_k]}{\sum_{j \in \mathrm{top}_k} p_j}",
        "p' = p / sum over the k most likely, 0 elsewhere",
        "Fan, Lewis and Dauphin 2018, section 5.4",
        "z = [2, 1, 0.1, -1], k = 2",
        {
            "written out": (
                "the first two",
                lambda: kept(softmax(LOGITS[0]), np.array([True, True, False, False])),
            ),
            "minigpt": (
                "minigpt.generation.sampling.probabilities",
                lambda: probabilities(LOGITS, top_k=2)[0],
            ),
        },
    ),
    of_library(
        "sampling.top_p",
        "top-p: the smallest set that reaches p, the token that crosses it included",
        r"V^{(p)} = \arg\min |V'| \;\text{ such that } \sum_{i \in V'} p_i \ge p",
        "keep a token if the more likely ones together are below p",
        "Holtzman et al. 2020, section 3.1",
        "z = [2, 1, 0.1, -1], p = 0.7: 0.638 is below it, so the second token is in",
        {
            "written out": (
                "the first two",
                lambda: kept(softmax(LOGITS[0]), np.array([True, True, False, False])),
            ),
            "minigpt": (
                "minigpt.generation.sampling.probabilities",
                lambda: probabilities(LOGITS, top_p=0.7)[0],
            ),
        },
    ),
    of_library(
        "loss.bits_per_byte",
        "bits for each byte of text: comparable between tokenizers",
        r"\frac{L}{\ln 2} \cdot \frac{\text{tokens}}{\text{bytes}}",
        "L / ln 2 * tokens / bytes",
        "Shannon 1948 (bits); Gao et al. 2020 (the Pile), section 3.1",
        "L = 2.77 nats per token, 1000 tokens of 4000 bytes",
        {
            "written out": ("L / ln 2 / 4", lambda: 2.77 / math.log(2) / 4),
            "by two to the power": (
                "log2 of e^L, a quarter of it",
                lambda: math.log2(math.exp(2.77)) / 4,
            ),
        },
    ),
]


def _clipped():
    grads, _ = clip_grad_norm({"a": np.array([3.0, 0.0]), "b": np.array([0.0, 4.0])}, 1.0)
    return np.concatenate([grads["a"], grads["b"]])
