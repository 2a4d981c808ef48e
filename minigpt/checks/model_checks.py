"""Checks of the whole model.

The gradient of every parameter by central differences, and what holds for every configuration.
model_start.py checks the initial parameters.
"""

import functools
from dataclasses import replace

import numpy as np

from minigpt.checks.cases import MODELS, SMALL
from minigpt.checks.core import Check, Line, equal, numerical_gradient, true
from minigpt.config import GPTConfig
from minigpt.parameters import parameter_shapes

# Besides MODELS, dropout with a fixed mask. It can leave a token with a single channel, where layer
# norm is so curved that differences are not exact; a larger eps keeps it smooth.
GRADIENT_MODELS = {kind: config for kind, config in MODELS.items() if not config.dropout} | {
    "dropout": GPTConfig(**SMALL, dropout=0.3, windows=(3, None), layer_norm_epsilon=0.1),
    "post_dropout": GPTConfig(
        **SMALL, dropout=0.3, norm="post", bias=False, layer_norm_epsilon=0.1
    ),
}


def random_parameters(config: GPTConfig, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return random parameters: size 1/2, gains about 1, biases not 0.

    So no gradient is 0 by accident.
    """
    shapes = parameter_shapes(config)
    return {
        name: 0.5 * rng.standard_normal(shape) + (".ln_" in name and "weight" in name)
        for name, shape in shapes.items()
    }


def _inputs(kind: str):
    def inputs(rng):
        config = GRADIENT_MODELS[kind]
        ids, targets = (
            rng.integers(0, config.vocab_size, (2, 5)),
            rng.integers(0, config.vocab_size, (2, 5)),
        )
        targets[1, 2] = -1
        return {
            "config": config,
            "params": random_parameters(config, rng),
            "ids": ids,
            "targets": targets,
        }

    return inputs


def _gradient(subject, config, params, ids, targets):
    model = subject.GPT(config, params=params)

    def rng():  # a fixed mask: the same at every evaluation
        return np.random.default_rng(5) if config.dropout else None

    _, kept = model.loss(ids, targets, rng())
    outputs = {f"d{name}": g for name, g in model.backward(kept).items()}
    for name in params:

        def loss(value, name=name):
            return float(
                subject.GPT(config, params=params | {name: value}).loss(ids, targets, rng())[0]
            )

        outputs[f"numerical d{name}"] = numerical_gradient(loss, params[name])
    return outputs


def _gradient_check(kind: str) -> Check:
    return Check(
        f"model.gradient_{kind}",
        f"GPT ({kind}): the gradient of every parameter by central differences",
        ("GPT",),
        _inputs(kind),
        _gradient,
        functools.partial(_gradient_lines, kind),
    )


def _gradient_lines(kind: str, got, params, **inputs) -> list[Line]:
    return [
        equal(f"{kind} d{name}", got.get(f"d{name}"), got[f"numerical d{name}"], 1e-6, 1e-3)
        for name in params
    ]


def _reach(subject, config, params, ids, targets):
    """Return which positions' logits change with token j."""
    model = subject.GPT(config, params=params)
    logits, _ = model.forward(ids)
    T = ids.shape[1]
    reach = np.zeros((T, T), dtype=bool)
    for j in range(T):
        other = ids.copy()
        other[:, j] = (other[:, j] + 1) % config.vocab_size
        reach[:, j] = (np.abs(model.forward(other)[0] - logits) > 0).any(axis=(0, 2))
    return {
        "reach": reach,
        "alone": model.forward(ids[:1])[0],
        "short": model.forward(ids[:, :3])[0],
        "logits": logits,
    }


def _reach_lines(got, config, params, ids, targets) -> list[Line]:
    i, j = np.arange(5)[:, None], np.arange(5)
    return [
        equal("model: which tokens reach which logits", got["reach"], j <= i, 0.0),
        equal("model: a sequence without its neighbour", got["alone"], got["logits"][:1], 1e-12),
        equal("model: the first 3 tokens alone", got["short"], got["logits"][:, :3], 1e-12),
    ]


def _identity(subject, config, params, ids, targets):
    """Run a block whose projections into the residual stream are all 0."""
    zeroed = {name: value * (".c_proj." not in name) for name, value in params.items()}
    model = subject.GPT(config, params=zeroed)
    x = np.random.default_rng(3).standard_normal((2, 5, config.n_embd))
    out, kept = model.block_forward(x, 0)
    return {"x": x, "out": out, "dx": model.block_backward(x, kept, 0, {})}


def _identity_lines(got, **inputs) -> list[Line]:
    return [
        equal("block's output", got["out"], got["x"], 1e-12),
        equal("block's dx", got["dx"], got["x"], 1e-12),
    ]


def _windowed_reach(subject, config, params, ids, targets):
    one = replace(config, n_layer=1, windows=(2,))
    return _reach(
        subject,
        one,
        {name: value for name, value in params.items() if not name.startswith("h.1.")},
        ids,
        targets,
    )


def _window_lines(got, **inputs) -> list[Line]:
    neighbours = np.eye(5) + np.eye(5, k=-1) > 0
    return [equal("tokens that reach logits", got["reach"], neighbours, 0.0)]


def _unchanged(subject, config, params, ids, targets):
    before = {name: value.copy() for name, value in params.items()}
    model = subject.GPT(config, params=params)
    _, kept = model.loss(ids, targets)
    first = model.backward(kept)
    second = model.backward(kept, 2.0)
    small = subject.GPT(
        config, params={name: value.astype(np.float32) for name, value in params.items()}
    )
    loss32, kept32 = small.loss(ids, targets)
    return {
        "changed": [name for name in params if not np.array_equal(params[name], before[name])],
        "first": first["wte.weight"],
        "second": second["wte.weight"],
        "order": list(first) == list(params),
        "dtypes": {str(g.dtype) for g in small.backward(kept32).values()} | {str(loss32.dtype)},
    }


def _unchanged_lines(got, **inputs) -> list[Line]:
    changed, dtypes = got["changed"], got["dtypes"]
    return [
        true("parameters that changed", not changed, changed or "none", "none"),
        equal("gradient of twice the loss", got["second"], 2 * got["first"], 1e-12),
        true("gradients' names", got["order"], got["order"], "those of params, in order"),
        true("float32 model", dtypes == {"float32"}, dtypes, "float32"),
    ]


def _evaluation_is_plain(subject, config, params, ids, targets):
    model = subject.GPT(config, params=params)
    plain = subject.GPT(replace(config, dropout=0.0), params=params)
    dropped = [model.forward(ids, np.random.default_rng(seed))[0] for seed in (1, 1, 2)]
    return {
        "eval": model.forward(ids)[0],
        "plain": plain.forward(ids)[0],
        "same": dropped[0],
        "again": dropped[1],
        "other": dropped[2],
    }


def _dropout_lines(got, **inputs) -> list[Line]:
    another = not np.array_equal(got["same"], got["other"])
    dropped = not np.array_equal(got["same"], got["plain"])
    return [
        equal("logits in evaluation", got["eval"], got["plain"], 0.0),
        equal("logits with the same rng", got["same"], got["again"], 0.0),
        true("logits with another rng", another, "same or not", "others"),
        true("logits with dropout", dropped, "same or not", "others"),
    ]


def _wrong_calls(subject, config, params, ids, targets) -> dict[str, tuple]:
    """Return wrong calls by label.

    Each has the error, what its message must name, and the call that must raise it.
    """
    long = np.zeros((2, config.block_size + 1), dtype=np.int64)
    sinusoidal = replace(config, positions="sinusoidal")

    def run(ids, config=config, **options):
        return lambda: subject.GPT(config, **options).forward(ids)

    def make():
        return subject.GPT(config, params={})

    def loss():
        return subject.GPT(config).loss(ids, targets[:1])

    return {
        "T above block_size": (ValueError, "T = 9", run(long, params=params)),
        "T above block_size, sinusoidal": (ValueError, "T = 9", run(long, sinusoidal)),
        "no token": (ValueError, "T = 0", run(long[:, :0])),
        "one axis": (ValueError, "ids", run(long[0])),
        "float ids": (TypeError, "ids", run(ids + 0.5)),
        "an id of V": (IndexError, "ids", run(ids + config.vocab_size)),
        "no parameter": (ValueError, "wte.weight", make),
        "targets of another shape": (ValueError, "targets", loss),
    }


def _refused(subject, config, params, ids, targets):
    """Return what the model raises, and must raise, for bad input."""
    calls = _wrong_calls(subject, config, params, ids, targets)
    outputs = {}
    for label, (error, word, call) in calls.items():
        wanted = f"{error.__name__} naming {word}"
        try:
            call()
            outputs[label] = (False, "no error", wanted)
        except Exception as raised:  # any error is a result here
            right = isinstance(raised, error) and word in str(raised)
            outputs[label] = (right, f"{type(raised).__name__}: {raised}"[:90], wanted)
    whole = np.zeros((1, config.block_size), dtype=np.int64)
    logits = subject.GPT(config, params=params).forward(whole)[0]
    fits = logits.shape[1] == config.block_size
    return outputs | {"T of block_size": (fits, logits.shape, "let through")}


def _refused_lines(got, **inputs) -> list[Line]:
    return [true(f"GPT, {label}", *facts) for label, facts in got.items()]


CAUSALITY = "a token changes its logits and later ones, but not earlier ones or another sequence"


def _causality_check(kind: str) -> Check:
    return Check(
        f"model.causality_{kind}",
        f"GPT ({kind}): {CAUSALITY}",
        ("GPT",),
        _inputs(kind),
        _reach,
        _reach_lines,
    )


COMPOSED = [
    Check(
        "model.identity",
        "GPT: if the projections into the residual stream are 0, a pre-LN block is the "
        "identity, forward and backward",
        ("GPT",),
        _inputs("pre_learned"),
        _identity,
        _identity_lines,
    ),
    Check(
        "model.window",
        "GPT: with one layer and a window of 2, a token reaches its own logits and the next",
        ("GPT",),
        _inputs("pre_learned"),
        _windowed_reach,
        _window_lines,
    ),
    Check(
        "model.pure",
        "GPT: parameters do not change; a cache serves twice; gradients in the parameters' "
        "order; float32 stays",
        ("GPT",),
        _inputs("windows"),
        _unchanged,
        _unchanged_lines,
    ),
    Check(
        "model.bad_input",
        "GPT: bad input raises an error that says what was wrong",
        ("GPT",),
        _inputs("pre_learned"),
        _refused,
        _refused_lines,
    ),
    Check(
        "model.dropout",
        "GPT: dropout needs an rng, follows it, and is off without one",
        ("GPT",),
        _inputs("dropout"),
        _evaluation_is_plain,
        _dropout_lines,
    ),
]


def model_checks() -> list[Check]:
    """Return all checks of this file."""
    gradients = [_gradient_check(kind) for kind in GRADIENT_MODELS]
    causality = [_causality_check(kind) for kind in ("pre_learned", "post_sinusoidal")]
    return gradients + causality + COMPOSED
