"""What must hold of each layer whatever its numbers are: sums, invariances, causality, extreme
values.

Each of these fails for a mistake that a comparison of ordinary numbers lets through.
"""

import math

import numpy as np

from minigpt.checks.cases import B, C, T, V
from minigpt.checks.core import Check, Line, both, equal, first, true
from minigpt.checks.properties_attention import ATTENTION, COMPOSED, DROPOUT

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
        "cross_entropy: knowing nothing costs ln V nats",
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
        "cross_entropy: a target of -1 neither costs nor pulls, and is not counted in the mean",
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
        "cross_entropy: a sure mistake costs its logit, not infinity",
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


# ---- layer norm


def _layer_norm_facts(subject, x, gain):
    ones, zeros = np.ones(C), np.zeros(C)
    out, kept = subject.layer_norm_forward(x, ones, zeros)
    return {
        "out": out,
        # 9 times eps, as 3 times x
        "moved": first(subject.layer_norm_forward(3 * x + 7, ones, zeros, 9e-5)),
        "sum dx": subject.layer_norm_backward(gain, kept)[0].sum(axis=-1),
    }


LAYER_NORM = [
    Check(
        "layer_norm.biased_variance",
        "layer_norm: the variance is divided by C, not C - 1",
        ("layer_norm_forward",),
        inputs=lambda rng: {"x": np.array([[1.0, 0, 0, 0]])},
        call=lambda subject, x: {
            "out": first(subject.layer_norm_forward(x, np.ones(4), np.zeros(4), 0.0))
        },
        judge=lambda got, x: [
            equal("layer_norm of 1, 0, 0, 0", got["out"], [[3**0.5] + 3 * [-1 / 3**0.5]], 1e-12)
        ],
    ),
    Check(
        "layer_norm.eps_inside",
        "layer_norm: eps is added to the variance, under the root",
        ("layer_norm_forward",),
        inputs=lambda rng: {"x": np.array([[1e-3, -1e-3]])},
        call=lambda subject, x: {
            "out": first(subject.layer_norm_forward(x, np.ones(2), np.zeros(2), 1e-5))
        },
        judge=lambda got, x: [
            equal("layer_norm of +-1e-3", got["out"], [[1 / 11**0.5, -1 / 11**0.5]], 1e-12)
        ],
    ),
    Check(
        "layer_norm.invariant",
        "layer_norm: mean 0 and variance 1; moving and stretching x changes nothing; dx sums to 0",
        both("layer_norm"),
        inputs=lambda rng: {
            "x": rng.standard_normal((B, T, C)) + 2,
            "gain": rng.standard_normal((B, T, C)),
        },
        call=_layer_norm_facts,
        judge=lambda got, x, gain: [
            equal("layer_norm mean", got["out"].mean(axis=-1), np.zeros((B, T)), 1e-12),
            equal("layer_norm variance", got["out"].var(axis=-1), np.ones((B, T)), 1e-3),
            equal("layer_norm of 3x + 7", got["moved"], got["out"], 1e-9),
            equal("layer_norm sum of dx", got["sum dx"], np.zeros((B, T)), 1e-12),
        ],
    ),
    Check(
        "layer_norm.extreme",
        "layer_norm: a row of equal numbers gives the bias; a large offset costs little precision "
        "in float32",
        ("layer_norm_forward",),
        inputs=lambda rng: {
            "x": np.stack([np.arange(8.0), np.arange(8.0) + 4096.0, np.full(8, 3.0)]).astype(
                np.float32
            )
        },
        call=lambda subject, x: {
            "out": first(
                subject.layer_norm_forward(x, np.ones(8, np.float32), np.full(8, 0.5, np.float32))
            )
        },
        judge=lambda got, x: [
            equal("layer_norm of x + 4096", got["out"][1], got["out"][0], 1e-4),
            equal("layer_norm of equal numbers", got["out"][2], np.full(8, 0.5), 1e-6),
        ],
    ),
]


# ---- GELU, ReLU


def _gelu_facts(subject, x):
    outputs = {}
    for form in ("tanh", "none"):
        (up, up_kept), (down, down_kept) = (
            subject.gelu_forward(x, form),
            subject.gelu_forward(-x, form),
        )
        slopes = [subject.gelu_backward(np.ones_like(x), kept) for kept in (up_kept, down_kept)]
        large = first(subject.gelu_forward(np.array([-1e4, -50.0, 50.0, 1e4], np.float32), form))
        outputs[form] = {"odd part": up - down, "slopes": slopes[0] + slopes[1], "large": large}
    return outputs


def _gelu_lines(got, x) -> list[Line]:
    lines = []
    for form, facts in got.items():
        lines += [
            equal(f"gelu {form}: gelu(x) - gelu(-x)", facts["odd part"], x, 1e-12),
            equal(f"gelu {form}: gelu'(x) + gelu'(-x)", facts["slopes"], np.ones_like(x), 1e-12),
            equal(f"gelu {form} of +-50, +-1e4", facts["large"], [0.0, 0.0, 50.0, 1e4], 1e-6),
        ]
    return lines


def _relu_zero(subject):
    out, kept = subject.relu_forward(np.array([-1.0, 0.0, 2.0]))
    return {"out": out, "dx": subject.relu_backward(np.array([5.0, 6.0, 7.0]), kept)}


ACTIVATIONS = [
    Check(
        "gelu.symmetry",
        "gelu: gelu(x) - gelu(-x) = x, and so for the slopes; finite where x is large",
        both("gelu"),
        inputs=lambda rng: {"x": 3 * rng.standard_normal((T, C))},
        call=_gelu_facts,
        judge=_gelu_lines,
    ),
    Check(
        "relu.zero",
        "relu: 0 at 0, and no gradient there",
        both("relu"),
        inputs=lambda rng: {},
        call=_relu_zero,
        judge=lambda got: [
            equal("relu", got["out"], [0, 0, 2]),
            equal("relu dx", got["dx"], [0, 0, 7]),
        ],
    ),
]


# ---- embedding, positions


def _embedding_repeated(subject, ids, weight, dout):
    out, kept = subject.embedding_forward(ids, weight)
    return {"out": out, "dweight": subject.embedding_backward(dout, kept)}


EMBEDDING = [
    Check(
        "embedding.repeated",
        "embedding: a token that occurs twice gets both gradients, one that does not occur gets "
        "none",
        both("embedding"),
        inputs=lambda rng: {
            "ids": np.array([[2, 2, 0]]),
            "weight": rng.standard_normal((4, 2)),
            "dout": np.array([[[1.0, 2], [10, 20], [100, 200]]]),
        },
        call=_embedding_repeated,
        judge=lambda got, ids, weight, dout: [
            equal("embedding out", got["out"], weight[[[2, 2, 0]]], 0.0),
            equal("embedding dweight", got["dweight"], [[100, 200], [0, 0], [11, 22], [0, 0]], 0.0),
        ],
    ),
    Check(
        "sinusoidal_positions.properties",
        "positions: length sqrt(C/2); a row does not depend on T; the product of two depends on "
        "their distance alone",
        ("sinusoidal_positions",),
        inputs=lambda rng: {},
        call=lambda subject: {
            "8": subject.sinusoidal_positions(8, 12),
            "16": subject.sinusoidal_positions(16, 12),
        },
        judge=lambda got: [
            equal(
                "positions squared length",
                np.square(got["16"]).sum(axis=-1),
                np.full(16, 6.0),
                1e-12,
            ),
            equal("positions 0..7 of 16", got["16"][:8], got["8"], 0.0),
            equal(
                "positions product at distance 5",
                (got["16"][:-5] * got["16"][5:]).sum(axis=-1)[1:],
                np.full(10, got["16"][0] @ got["16"][5]),
            ),
        ],
    ),
    Check(
        "sinusoidal_positions.values",
        "positions: equals the formula by hand",
        ("sinusoidal_positions",),
        inputs=lambda rng: {},
        call=lambda subject: {"table": subject.sinusoidal_positions(9, 10)},
        judge=lambda got: [
            equal("sinusoidal_positions(9, 10)", got["table"], _by_hand_positions(9, 10), 1e-12)
        ],
    ),
]


def _by_hand_positions(T, C):
    from minigpt.by_hand import sinusoidal_positions

    return sinusoidal_positions(T, C)


def property_checks() -> list[Check]:
    """All of this file, and of properties_attention.py."""
    return (
        SOFTMAX
        + CROSS_ENTROPY
        + LAYER_NORM
        + ACTIVATIONS
        + EMBEDDING
        + DROPOUT
        + ATTENTION
        + COMPOSED
    )
