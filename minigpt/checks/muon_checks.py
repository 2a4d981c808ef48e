"""Checks of Muon against the singular value decomposition.

Muon itself never computes that decomposition.
"""

import numpy as np

from minigpt.checks.core import Check, Line, equal, true
from minigpt.optim import AdamWState

SHAPES = {"broad": (4, 7), "tall": (9, 3), "square": (5, 5)}


def _by_svd(u: np.ndarray) -> np.ndarray:
    """Apply the quintic to each singular value."""
    a, s, b = np.linalg.svd(u, full_matrices=False)
    s = s / (np.sqrt((u * u).sum()) + 1e-7)
    for _ in range(5):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    return (a * s) @ b


def _orthogonalize(subject, arrays):
    return {name: subject.orthogonalize(u) for name, u in arrays.items()}


def _orthogonalize_lines(got, arrays) -> list[Line]:
    lines = [
        equal(f"orthogonalize {name}", got[name], _by_svd(u), 1e-9) for name, u in arrays.items()
    ]
    values = np.concatenate([np.linalg.svd(o, compute_uv=False) for o in got.values()])
    near = bool((values > 0.6).all() and (values < 1.25).all())
    return [
        *lines,
        true(
            "orthogonalize: singular values",
            near,
            f"{values.min():.2f} .. {values.max():.2f}",
            "within 0.6 .. 1.25",
        ),
    ]


def _arrays(rng) -> dict:
    """Return matrices whose singular values are far apart."""
    made = {}
    for name, (m, n) in SHAPES.items():
        a, _, b = np.linalg.svd(rng.standard_normal((m, n)), full_matrices=False)
        made[name] = (a * np.geomspace(1.0, 0.03, min(m, n))) @ b
    return {"arrays": made}


NAMES = {
    "h.0.attn.c_attn.weight": (3, 9),
    "h.0.mlp.c_proj.weight": (8, 2),
    "h.0.ln_1.weight": (3,),
    "wte.weight": (6, 3),
}
OPTIONS = {"momentum": 0.9, "beta1": 0.8, "beta2": 0.95, "weight_decay": 0.3, "grad_scale": 0.5}


def _step_inputs(rng) -> dict:
    start = {name: rng.standard_normal(shape) for name, shape in NAMES.items()}
    return {
        "start": start,
        "grads": [
            {name: rng.standard_normal(shape) for name, shape in NAMES.items()} for _ in range(2)
        ],
    }


def _steps(subject, start, grads):
    params = {name: array.copy() for name, array in start.items()}
    state = AdamWState(
        *({name: np.zeros_like(array) for name, array in start.items()} for _ in range(2))
    )
    given = [{name: g.copy() for name, g in step.items()} for step in grads]
    for t, step in enumerate(given, 1):
        subject.muon_step(params, step, state, t, 0.1, 0.2, **OPTIONS)
    untouched = all(
        np.array_equal(step[name], grads[i][name]) for i, step in enumerate(given) for name in step
    )
    return params | {"untouched": untouched}


def _steps_lines(got, start, grads) -> list[Line]:
    lines = [true("muon leaves the gradients", got["untouched"], got["untouched"], "True")]
    for name, theta in start.items():
        lines.append(
            equal(
                f"muon {name}",
                got[name],
                _written_out(name, theta, [step[name] for step in grads]),
                1e-9,
            )
        )
    return lines


def _written_out(name: str, theta: np.ndarray, grads: list[np.ndarray]) -> np.ndarray:
    """Return two steps of Muon, written out.

    The blocks' matrices use the decomposition, the rest Adam's formula.
    """
    m, v = np.zeros_like(theta), np.zeros_like(theta)
    for t, g in enumerate(grads, 1):
        g = 0.5 * g
        if name.startswith("h.") and theta.ndim == 2:
            m = 0.9 * m + g
            stretch = max(1.0, theta.shape[1] / theta.shape[0]) ** 0.5
            theta = theta * (1 - 0.2 * 0.3) - 0.2 * stretch * _by_svd(g + 0.9 * m)
        else:
            m, v = 0.8 * m + 0.2 * g, 0.95 * v + 0.05 * g * g
            decay = 0.3 if theta.ndim == 2 else 0.0
            theta = theta * (1 - 0.1 * decay) - 0.1 * (m / (1 - 0.8**t)) / (
                np.sqrt(v / (1 - 0.95**t)) + 1e-8
            )
    return theta


MUON = [
    Check(
        "muon.singular_values",
        "Muon: orthogonalize does to each singular value what the quintic does to a number, "
        "and all end near 1",
        ("orthogonalize",),
        inputs=_arrays,
        call=_orthogonalize,
        judge=_orthogonalize_lines,
    ),
    Check(
        "muon.written_out",
        "Muon: two steps with momentum, decay and scaled gradients; AdamW steps tables and vectors",
        ("muon_step",),
        inputs=_step_inputs,
        call=_steps,
        judge=_steps_lines,
    ),
]
