"""Checks of what holds for attention and composed layers.

Which token sees which, means, extreme values.
"""

import math

import numpy as np

from minigpt.checks.cases import HS, NH, B, C, T
from minigpt.checks.core import Check, Line, both, equal, first, true

# ---- attention


def _qkv(rng, Tq=T, Tk=T, hs=HS):
    return {
        "q": rng.standard_normal((B, NH, Tq, hs)),
        "k": rng.standard_normal((B, NH, Tk, hs)),
        "v": rng.standard_normal((B, NH, Tk, hs)),
    }


def _reach(subject, q, k, v, **options) -> np.ndarray:
    """Return whether out_i changes with key and value j.

    The result is (Tq, Tk) bool.
    """
    out = first(subject.attention_forward(q, k, v, **options))
    reach = np.zeros((q.shape[2], k.shape[2]), dtype=bool)
    for j in range(k.shape[2]):
        k2, v2 = k.copy(), v.copy()
        k2[:, :, j] += 1.0
        v2[:, :, j] += 1.0
        moved = np.abs(first(subject.attention_forward(q, k2, v2, **options)) - out) > 0
        reach[:, j] = moved.any(axis=(0, 1, 3))
    return reach


def _causality(subject, q, k, v):
    last = q[:, :, -3:]
    return {
        "causal": _reach(subject, q, k, v),
        "rectangular": _reach(subject, last, k, v),
        "window": _reach(subject, q, k, v, window=2),
        "rectangular window": _reach(subject, last, k, v, window=2),
        "all": _reach(subject, q, k, v, causal=False),
        "out": first(subject.attention_forward(q, k, v)),
        "last": first(subject.attention_forward(last, k, v)),
    }


def _causality_lines(got, q, k, v) -> list[Line]:
    j, i = np.arange(T), np.arange(T)[:, None]
    past, near = j <= i, (j <= i) & (j > i - 2)
    wanted = {
        "causal": past,
        "rectangular": past[-3:],
        "window": near,
        "rectangular window": near[-3:],
        "all": past | True,
    }
    lines = [
        equal(f"attention: which keys reach which query, {name}", got[name], want, 0.0)
        for name, want in wanted.items()
    ]
    return [
        *lines,
        equal("attention of the last 3 queries", got["last"], got["out"][:, :, -3:], 1e-12),
    ]


def _attention_extreme(subject, q, k, v):
    huge = first(subject.attention_forward(100 * q, 100 * k, v))
    v2 = v.copy()
    v2[:, :, 1:] = 1e30  # what a query must not see may be as large as it likes
    outputs = {
        "huge": huge,
        "first": first(subject.attention_forward(100 * q, 100 * k, v2))[:, :, 0],
    }
    small = [array.astype(np.float32) for array in (100 * q, 100 * k, v)]
    out, kept = subject.attention_forward(*small)
    return outputs | {
        "huge32": out,
        "gradients": np.stack(
            [np.isfinite(g).all() for g in subject.attention_backward(out, kept)]
        ),
    }


def _attention_apart(subject, q, k, v):
    out = first(subject.attention_forward(q, k, v))
    one = first(subject.attention_forward(q[1:, 2:], k[1:, 2:], v[1:, 2:]))
    order = np.array([3, 0, 4, 1, 2])
    free = first(subject.attention_forward(q, k, v, causal=False))
    shuffled = first(
        subject.attention_forward(q[:, :, order], k[:, :, order], v[:, :, order], causal=False)
    )
    return {"out": out, "one": one, "free": free[:, :, order], "shuffled": shuffled}


def _attention_dropout(subject, q, k, v, dout):
    def run(*arrays):
        return subject.attention_forward(*arrays, dropout_p=0.5, rng=np.random.default_rng(2))

    out, _ = run(q, k, v)
    small, small_kept = run(*(array.astype(np.float32) for array in (q, k, v)))
    gradients = subject.attention_backward(dout.astype(np.float32), small_kept)
    means = [
        first(subject.attention_forward(q, k, v, dropout_p=0.5, rng=np.random.default_rng(i)))
        for i in range(400)
    ]
    return {
        "out": out,
        "mean": np.mean(means, axis=0),
        "small": small,
        "gradients": gradients,
        "off": first(subject.attention_forward(q, k, v)),
    }


def _attention_ones(subject, q, k):
    return {"out": first(subject.attention_forward(q, k, np.ones_like(k)))}


ATTENTION = [
    Check(
        "attention.causality",
        "attention: a query depends on every key that it may see, and on no other; Tq < Tk is "
        "aligned at the lower right",
        ("attention_forward",),
        inputs=_qkv,
        call=_causality,
        judge=_causality_lines,
    ),
    Check(
        "attention.weights_sum_to_one",
        "attention: values of 1 give 1",
        ("attention_forward",),
        inputs=lambda rng: {name: array for name, array in _qkv(rng, 3, T).items() if name != "v"},
        call=_attention_ones,
        judge=lambda got, q, k: [equal("attention of ones", got["out"], np.ones_like(q), 1e-12)],
    ),
    Check(
        "attention.scale",
        "attention: keys with q . k / sqrt(hs) = 1 and 0 get e/(1+e) and 1/(1+e)",
        ("attention_forward",),
        inputs=lambda rng: {
            "q": np.full((1, 1, 1, 4), 1.0),
            "k": np.array([[[[0.5] * 4, [0.0] * 4]]]),
            "v": np.eye(2, 4)[None, None],
        },
        call=lambda subject, q, k, v: {"out": first(subject.attention_forward(q, k, v))},
        judge=lambda got, q, k, v: [
            equal(
                "attention weights",
                got["out"][0, 0, 0, :2],
                [math.e / (1 + math.e), 1 / (1 + math.e)],
                1e-12,
            )
        ],
    ),
    Check(
        "attention.extreme",
        "attention: scores of 1e4 do not overflow; hidden keys have a weight of exactly 0",
        both("attention"),
        inputs=_qkv,
        call=_attention_extreme,
        judge=lambda got, q, k, v: [
            true(
                "attention of huge scores finite",
                np.isfinite(got["huge"]).all(),
                np.isfinite(got["huge"]).all(),
                "True",
            ),
            equal("attention of the first query", got["first"], v[:, :, 0], 0.0),
            equal("attention of huge scores, float32", got["huge32"], got["huge"], 1e-2),
            equal("attention gradients finite, float32", got["gradients"], np.ones(3), 0.0),
        ],
    ),
    Check(
        "attention.apart",
        "attention: heads and sequences do not see each other; without a mask, the order of "
        "the tokens does not matter",
        ("attention_forward",),
        inputs=_qkv,
        call=_attention_apart,
        judge=lambda got, q, k, v: [
            equal("attention of one head alone", got["one"], got["out"][1:, 2:], 1e-12),
            equal("attention of shuffled tokens", got["shuffled"], got["free"], 1e-12),
        ],
    ),
    Check(
        "attention.dropout",
        "attention: dropout on the weights has the right mean, and keeps float32",
        both("attention"),
        inputs=lambda rng: _qkv(rng) | {"dout": rng.standard_normal((B, NH, T, HS))},
        call=_attention_dropout,
        judge=lambda got, q, k, v, dout: [
            true(
                "attention with dropout",
                not np.allclose(got["out"], got["off"]),
                "as without" if np.allclose(got["out"], got["off"]) else "another",
                "another",
            ),
            equal("attention mean over 400 masks", got["mean"], got["off"], 0.2),
            true(
                "attention with dropout, float32",
                got["small"].dtype == np.float32,
                got["small"].dtype,
                "float32",
            ),
            true(
                "attention gradients, float32",
                all(g.dtype == np.float32 for g in got["gradients"]),
                got["gradients"][0].dtype,
                "float32",
            ),
        ],
    ),
]


# ---- many heads, the MLP, the linear layer


def _heads_apart(subject, qkv):
    out = first(subject.multi_head_attention_forward(qkv, NH))
    heads = []
    for h in range(NH):
        q, k, v = (qkv[:, None, :, i * C + h * 2 : i * C + h * 2 + 2] for i in range(3))
        heads.append(
            first(subject.attention_forward(*(np.ascontiguousarray(x) for x in (q, k, v))))[:, 0]
        )
    return {"out": out, "by head": np.concatenate(heads, axis=-1)}


def _mlp_layers(subject, x, fc_weight, fc_bias, proj_weight, proj_bias):
    pre = first(subject.linear_forward(x, fc_weight, fc_bias))
    outputs = {}
    for name, post in (
        ("gelu", subject.gelu_forward(pre)),
        ("gelu_erf", subject.gelu_forward(pre, "none")),
        ("relu", subject.relu_forward(pre)),
    ):
        outputs[name] = first(
            subject.mlp_forward(x, fc_weight, fc_bias, proj_weight, proj_bias, name)
        )
        outputs[f"{name} in layers"] = first(
            subject.linear_forward(first(post), proj_weight, proj_bias)
        )
    return outputs


def _mlp_inputs(rng):
    shapes = {
        "x": (B, T, C),
        "fc_weight": (C, 8),
        "fc_bias": (8,),
        "proj_weight": (8, C),
        "proj_bias": (C,),
    }
    return {name: rng.standard_normal(shape) for name, shape in shapes.items()}


COMPOSED = [
    Check(
        "multi_head_attention.heads",
        "multi_head_attention: head h is attention on channels h*hs .. (h+1)*hs of q, k and v, "
        "and fills the same channels of the output",
        ("multi_head_attention_forward", "attention_forward"),
        inputs=lambda rng: {"qkv": rng.standard_normal((B, T, 3 * C))},
        call=_heads_apart,
        judge=lambda got, qkv: [
            equal("multi_head_attention head by head", got["out"], got["by head"], 1e-12)
        ],
    ),
    Check(
        "mlp.parts",
        "mlp: equals linear, activation, linear",
        ("mlp_forward", "linear_forward", "gelu_forward", "relu_forward"),
        inputs=_mlp_inputs,
        call=_mlp_layers,
        judge=lambda got, **inputs: [
            equal(f"mlp {name}", got[name], got[f"{name} in layers"], 1e-12)
            for name in ("gelu", "gelu_erf", "relu")
        ],
    ),
    Check(
        "linear.identity",
        "linear: the identity matrix gives x back; a row of ones sums the channels",
        ("linear_forward",),
        inputs=lambda rng: {"x": rng.standard_normal((B, T, C))},
        call=lambda subject, x: {
            "same": first(subject.linear_forward(x, np.eye(C))),
            "sum": first(subject.linear_forward(x, np.ones((C, 1)), np.full(1, 2.0))),
        },
        judge=lambda got, x: [
            equal("linear by the identity", got["same"], x, 1e-12),
            equal("linear by ones, plus 2", got["sum"], x.sum(-1, keepdims=True) + 2, 1e-12),
        ],
    ),
]
