"""The whole model: every parameter's gradient by central differences, and what must hold however it
is composed.
"""

import math
from dataclasses import replace

import numpy as np

from minigpt.checks.cases import MODELS, SMALL
from minigpt.checks.core import Check, Line, equal, numerical_gradient, true
from minigpt.config import GPTConfig
from minigpt.parameters import parameter_shapes

# Besides MODELS, dropout with a fixed mask. It can leave a token one channel alone, where layer
# norm bends so sharply that differences err; a larger eps keeps it smooth.
GRADIENT_MODELS = {kind: config for kind, config in MODELS.items() if not config.dropout} | {
    "dropout": GPTConfig(**SMALL, dropout=0.3, windows=(3, None), layer_norm_epsilon=0.1),
    "post_dropout": GPTConfig(
        **SMALL, dropout=0.3, norm="post", bias=False, layer_norm_epsilon=0.1
    ),
}


def random_parameters(config: GPTConfig, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Parameters of size 1/2, gains about 1, biases not 0: no gradient is 0 by accident."""
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
        lambda got, params, **inputs: [
            equal(f"{kind} d{name}", got.get(f"d{name}"), got[f"numerical d{name}"], 1e-6, 1e-3)
            for name in params
        ],
    )


def _reach(subject, config, params, ids, targets):
    """Which positions' logits move when token j is changed."""
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
    """With all projections into the residual stream 0, every block passes its input on."""
    zeroed = {name: value * (".c_proj." not in name) for name, value in params.items()}
    model = subject.GPT(config, params=zeroed)
    x = np.random.default_rng(3).standard_normal((2, 5, config.n_embd))
    out, kept = model.block_forward(x, 0)
    return {"x": x, "out": out, "dx": model.block_backward(x, kept, 0, {})}


def _windowed_reach(subject, config, params, ids, targets):
    one = replace(config, n_layer=1, windows=(2,))
    return _reach(
        subject,
        one,
        {name: value for name, value in params.items() if not name.startswith("h.1.")},
        ids,
        targets,
    )


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


def _start(subject, config):
    params = subject.initial_parameters(config, 3)
    ids = np.random.default_rng(0).integers(0, config.vocab_size, (4, 32))
    loss, _ = subject.GPT(config, params=params).loss(ids[:, :-1], ids[:, 1:])
    model = subject.GPT(config, seed=3, dtype=np.float64)
    return {
        "params": params,
        "loss": loss,
        "other": subject.initial_parameters(config, 4)["wte.weight"],
        "model": model.params,
        "plain": list(subject.initial_parameters(replace(config, bias=False), 3)),
    }


def _start_lines(got, config) -> list[Line]:
    params, lines = got["params"], []
    lines.append(equal("initial loss, about ln V", got["loss"], math.log(config.vocab_size), 0.02))
    for name, value in params.items():
        std = {1: 0.0, 2: 0.02}[value.ndim] / (
            math.sqrt(2 * config.n_layer) if name.endswith("c_proj.weight") else 1
        )
        lines.append(equal(f"initial {name}: std", value.std(), std, 0.06, floor=1e-6))
        lines.append(
            equal(
                f"initial {name}: mean",
                value.mean(),
                float(".ln_" in f".{name}" and "weight" in name),
                2e-3,
            )
        )
    wte = params["wte.weight"]
    lines.append(equal("initial parameters of GPT(seed=3)", got["model"]["wte.weight"], wte, 1e-7))
    lines.append(
        true(
            "dtype of GPT(dtype=float64)",
            got["model"]["wte.weight"].dtype == np.float64,
            wte.dtype,
            "float64",
        )
    )
    lines.append(
        true(
            "initial parameters of another seed",
            not np.array_equal(got["other"], wte),
            "the same or not",
            "others",
        )
    )
    lines.append(
        true(
            "initial tails, in std",
            3.3 < np.abs(wte).max() / 0.02 < 6,
            np.abs(wte).max() / 0.02,
            "3.3 to 6: normal",
        )
    )
    biases = [name for name in got["plain"] if name.endswith(".bias")]
    lines.append(true("biases with bias=False", not biases, biases[:1] or "none", "none"))
    same_shape = [params[f"h.{i}.mlp.c_fc.weight"] for i in range(3)]
    lines.append(
        true(
            "initial matrices",
            not np.array_equal(same_shape[0], same_shape[1]),
            "equal or not",
            "different in each layer",
        )
    )
    lines.append(
        true(
            "initial dtype",
            all(v.dtype == np.float32 for v in params.values()),
            "as drawn",
            "float32",
        )
    )
    return lines


def _refused(subject, config, params, ids, targets):
    """What the model raises for input that it cannot take."""
    long = np.zeros((2, config.block_size + 1), dtype=np.int64)
    sinusoidal = replace(config, positions="sinusoidal")
    attempts = {
        "T above block_size": (
            ValueError,
            "T = 9",
            lambda: subject.GPT(config, params=params).forward(long),
        ),
        "T above block_size, sinusoidal": (
            ValueError,
            "T = 9",
            lambda: subject.GPT(sinusoidal).forward(long),
        ),
        "no token": (ValueError, "T = 0", lambda: subject.GPT(config).forward(long[:, :0])),
        "one axis": (ValueError, "ids", lambda: subject.GPT(config).forward(long[0])),
        "float ids": (TypeError, "ids", lambda: subject.GPT(config).forward(ids + 0.5)),
        "an id of V": (
            IndexError,
            "ids",
            lambda: subject.GPT(config).forward(ids + config.vocab_size),
        ),
        "no parameter": (ValueError, "wte.weight", lambda: subject.GPT(config, params={})),
        "targets of another shape": (
            ValueError,
            "targets",
            lambda: subject.GPT(config).loss(ids, targets[:1]),
        ),
    }
    outputs = {}
    for label, (error, part, attempt) in attempts.items():
        try:
            attempt()
            outputs[label] = (False, "no error", f"{error.__name__} naming {part}")
        except Exception as raised:  # which one it is, is the result
            right = isinstance(raised, error) and part in str(raised)
            outputs[label] = (
                right,
                f"{type(raised).__name__}: {raised}"[:90],
                f"{error.__name__} naming {part}",
            )
    block = subject.GPT(config, params=params).forward(
        np.zeros((1, config.block_size), dtype=np.int64)
    )[0]
    return outputs | {
        "T of block_size": (block.shape[1] == config.block_size, block.shape, "let through")
    }


def model_checks() -> list[Check]:
    """All of this file."""
    checks = [_gradient_check(kind) for kind in GRADIENT_MODELS]
    for kind in ("pre_learned", "post_sinusoidal"):
        about = (
            f"GPT ({kind}): a token moves its own logits and later ones, no earlier ones, and "
            "no other sequence's"
        )
        checks.append(
            Check(f"model.causality_{kind}", about, ("GPT",), _inputs(kind), _reach, _reach_lines)
        )
    checks += [
        Check(
            "model.identity",
            "GPT: where the projections into the residual stream are 0, a pre-LN block is the "
            "identity, forward and backward",
            ("GPT",),
            _inputs("pre_learned"),
            _identity,
            lambda got, **inputs: [
                equal("block's output", got["out"], got["x"], 1e-12),
                equal("block's dx", got["dx"], got["x"], 1e-12),
            ],
        ),
        Check(
            "model.window",
            "GPT: with one layer and a window of 2, a token reaches its own logits and the next",
            ("GPT",),
            _inputs("pre_learned"),
            _windowed_reach,
            lambda got, **inputs: [
                equal(
                    "tokens that reach logits", got["reach"], np.eye(5) + np.eye(5, k=-1) > 0, 0.0
                )
            ],
        ),
        Check(
            "model.pure",
            "GPT: parameters stay as they are; a cache serves twice; gradients in the parameters' "
            "order; float32 stays",
            ("GPT",),
            _inputs("windows"),
            _unchanged,
            lambda got, **inputs: [
                true(
                    "parameters that changed", not got["changed"], got["changed"] or "none", "none"
                ),
                equal("gradient of twice the loss", got["second"], 2 * got["first"], 1e-12),
                true("gradients' names", got["order"], got["order"], "those of params, in order"),
                true("float32 model", got["dtypes"] == {"float32"}, got["dtypes"], "float32"),
            ],
        ),
        Check(
            "model.bad_input",
            "GPT: bad input raises an error that says what was wrong",
            ("GPT",),
            _inputs("pre_learned"),
            _refused,
            lambda got, **inputs: [true(f"GPT, {label}", *facts) for label, facts in got.items()],
        ),
        Check(
            "model.dropout",
            "GPT: dropout acts with an rng alone, follows it, and is off without",
            ("GPT",),
            _inputs("dropout"),
            _evaluation_is_plain,
            lambda got, **inputs: [
                equal("logits in evaluation", got["eval"], got["plain"], 0.0),
                equal("logits with the same rng", got["same"], got["again"], 0.0),
                true(
                    "logits with another rng",
                    not np.array_equal(got["same"], got["other"]),
                    "same or not",
                    "others",
                ),
                true(
                    "logits with dropout",
                    not np.array_equal(got["same"], got["plain"]),
                    "same or not",
                    "others",
                ),
            ],
        ),
        Check(
            "model.start",
            "GPT: begins at ln V, with std 0.02, residual projections at 0.02 / sqrt(2 n_layer), "
            "gains 1, biases 0",
            ("GPT", "initial_parameters"),
            lambda rng: {
                "config": GPTConfig(vocab_size=65, block_size=64, n_layer=3, n_head=4, n_embd=64)
            },
            _start,
            _start_lines,
        ),
    ]
    return checks
