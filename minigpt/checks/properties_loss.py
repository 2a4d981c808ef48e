"""Checks of what holds for softmax and cross-entropy."""

import math

import numpy as np

from minigpt.checks.cases import B, T, V
from minigpt.checks.core import Check, both, equal, first, true

EXTREME = np.array([1000.0, 1001.0, 999.0])


# ---- softmax


def _softmax_sums(subject, x, dout):
    p, kept = subject.softmax_forward(x)
    return {"p": p, "dx": subject.softmax_backward(dout, kept)}


SOFTMAX = [
    Check(
        "softmax.sums",
        "softmax: every row of p sums to 1, every row of dx to 0",
        both("softmax"),
        inputs=lambda rng: {
            "x": 3 * rng.standard_normal((B, T, V)),
            "dout": rng.standard_normal((B, T, V)),
        },
        call=_softmax_sums,
        judge=lambda got, x, dout: [
            equal("softmax sum of p", got["p"].sum(axis=-1), np.ones((B, T)), 1e-12),
            equal("softmax sum of dx", got["dx"].sum(axis=-1), np.zeros((B, T)), 1e-12),
            true("softmax smallest p", got["p"].min() > 0, got["p"].min(), "above 0"),
        ],
    ),
    Check(
        "softmax.shift",
        "softmax: a constant added to a row changes nothing",
        ("softmax_forward",),
        inputs=lambda rng: {
            "x": rng.standard_normal((B, T, V)),
            "c": 10 * rng.standard_normal((B, T, 1)),
        },
        call=lambda subject, x, c: {
            "p": first(subject.softmax_forward(x)),
            "shifted": first(subject.softmax_forward(x + c)),
        },
        judge=lambda got, x, c: [equal("softmax of x + c", got["shifted"], got["p"], 1e-12)],
    ),
    Check(
        "softmax.extreme",
        "softmax: exp of large numbers does not overflow; -inf has probability 0",
        ("softmax_forward",),
        inputs=lambda rng: {"x": np.stack([EXTREME, -EXTREME, [0, -np.inf, 0], [1e30, 0, 0]])},
        call=lambda subject, x: {
            "p": first(subject.softmax_forward(x)),
            "p32": first(subject.softmax_forward(x.astype(np.float32))),
        },
        judge=lambda got, x: [
            equal(
                "softmax of 1000, 1001, 999",
                got["p"][0],
                [0.24472847, 0.66524096, 0.09003057],
                1e-8,
            ),
            equal(
                "softmax of -1000, -1001, -999",
                got["p"][1],
                [0.24472847, 0.09003057, 0.66524096],
                1e-8,
            ),
            equal("softmax of 0, -inf, 0", got["p"][2], [0.5, 0.0, 0.5], 0.0),
            equal("softmax of 1e30, 0, 0", got["p"][3], [1.0, 0.0, 0.0], 0.0),
            equal(
                "softmax of 1000, 1001, 999 in float32",
                got["p32"][0],
                [0.24472847, 0.66524096, 0.09003057],
                1e-6,
            ),
            equal("softmax of 1e30, 0, 0 in float32", got["p32"][3], [1.0, 0.0, 0.0], 0.0),
        ],
    ),
]


# ---- cross-entropy


def _cross_entropy_ignored(subject, logits, other, targets):
    loss, kept = subject.cross_entropy_forward(logits, targets)
    return {
        "loss": loss,
        "other": first(subject.cross_entropy_forward(other, targets)),
        "kept only": first(
            subject.cross_entropy_forward(logits[targets != -1], targets[targets != -1])
        ),
        "dlogits": subject.cross_entropy_backward(1.0, kept),
    }


def _ignored_inputs(rng):
    logits, targets = rng.standard_normal((B, T, V)), rng.integers(0, V, (B, T))
    targets[0, :3] = -1
    other = logits.copy()
    other[0, :3] += 5
    return {"logits": logits, "other": other, "targets": targets}


def _cross_entropy_extreme(subject, logits, targets):
    loss, kept = subject.cross_entropy_forward(logits, targets)
    return {"loss": loss, "dlogits": subject.cross_entropy_backward(1.0, kept)}


def _cross_entropy_scaled(subject, logits, targets):
    _, kept = subject.cross_entropy_forward(logits, targets)
    return {
        "once": subject.cross_entropy_backward(1.0, kept),
        "thrice": subject.cross_entropy_backward(3.0, kept),
    }


CROSS_ENTROPY = [
    Check(
        "cross_entropy.uniform",
        "cross_entropy: a uniform guess costs ln V nats",
        ("cross_entropy_forward",),
        inputs=lambda rng: {"targets": rng.integers(0, V, (B, T))},
        call=lambda subject, targets: {
            "loss": first(subject.cross_entropy_forward(np.zeros((B, T, V)), targets))
        },
        judge=lambda got, targets: [
            equal("cross_entropy of zeros", got["loss"], math.log(V), 1e-12)
        ],
    ),
    Check(
        "cross_entropy.ignored",
        "cross_entropy: a target of -1 has no loss and no gradient, and does not count in the mean",
        both("cross_entropy"),
        inputs=_ignored_inputs,
        call=_cross_entropy_ignored,
        judge=lambda got, logits, other, targets: [
            equal("cross_entropy with other ignored logits", got["other"], got["loss"], 1e-12),
            equal("cross_entropy of the counted alone", got["kept only"], got["loss"], 1e-12),
            equal(
                "cross_entropy dlogits where ignored",
                got["dlogits"][targets == -1],
                np.zeros((3, V)),
                0.0,
            ),
            equal(
                "cross_entropy sum of dlogits", got["dlogits"].sum(axis=-1), np.zeros((B, T)), 1e-12
            ),
        ],
    ),
    Check(
        "cross_entropy.extreme",
        "cross_entropy: a certain mistake costs its logit, not infinity",
        both("cross_entropy"),
        inputs=lambda rng: {
            "logits": np.array([[0.0, 1000.0], [0.0, 1000.0]]),
            "targets": np.array([0, 1]),
        },
        call=_cross_entropy_extreme,
        judge=lambda got, logits, targets: [
            equal("cross_entropy of 0, 1000", got["loss"], 500.0, 1e-12),
            equal(
                "cross_entropy dlogits of 0, 1000", got["dlogits"], [[-0.5, 0.5], [0.0, 0.0]], 1e-12
            ),
        ],
    ),
    Check(
        "cross_entropy.scaled",
        "cross_entropy: the gradient is proportional to dloss, and one cache serves twice",
        both("cross_entropy"),
        inputs=lambda rng: {
            "logits": rng.standard_normal((T, V)),
            "targets": rng.integers(0, V, T),
        },
        call=_cross_entropy_scaled,
        judge=lambda got, logits, targets: [
            equal("cross_entropy dlogits for dloss = 3", got["thrice"], 3 * got["once"], 1e-12)
        ],
    ),
]
