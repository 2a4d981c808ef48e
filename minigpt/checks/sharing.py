"""Checks of memory: a result must not overlap arguments or other results.

The caller owns its results, and no later call changes them. A function must read the numbers, not
recognize the array: a memo by identity or by shape returns old results for new numbers. The
exception is dropout at p = 0, which may return its argument.
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from minigpt import by_hand, layers
from minigpt.checks.cases import CASES, Case
from minigpt.checks.core import Check, Line, both, equal, true
from minigpt.checks.spread import ones

SPOILED = 1e6


def sharing_checks() -> list[Check]:
    """Return a check for each pair and for the table of positions."""
    pairs = [
        Check(
            f"{name}.sharing",
            f"{name}: results are fresh arrays, and no memo of old ones",
            both(name),
            _inputs(name),
            _call,
            _judge,
            looks_at_memory=True,
        )
        for name in CASES
    ]
    return [*pairs, POSITIONS]


def _inputs(function: str):
    def inputs(rng: np.random.Generator) -> dict:
        cases = [
            case
            for case in CASES[function](rng)
            if case.seed is None and case.arguments.get("p", 1.0) != 0.0
        ]
        cases = cases or [case for case in CASES[function](rng) if case.seed is not None]  # dropout
        smallest = ones(function, rng) if function != "dropout" else ()
        pick = [*cases, *_all_positive(function, cases), *smallest]
        return {"function": function, "cases": pick, "seed": int(rng.integers(1000))}

    return inputs


def _all_positive(function: str, cases: list[Case]) -> Iterator[Case]:
    """Check ReLU of positive numbers.

    It changes nothing, and must still return a fresh array.
    """
    if function in ("relu", "gelu"):
        case = cases[0]
        yield case._replace(
            label="all positive",
            arguments=case.arguments | {"x": np.abs(case.arguments["x"]) + 5.0},
        )


def _arrays(results: dict) -> dict[str, np.ndarray]:
    return {
        name: value
        for name, value in results.items()
        if isinstance(value, np.ndarray) and value.size
    }


def _dout(function: str, case: Case, seed: int) -> np.ndarray | float:
    shape = np.shape(case.forward(layers, function)[0])
    return np.random.default_rng(seed).standard_normal(shape) if shape else 1.5


def _other(array: np.ndarray) -> np.ndarray:
    """Return other numbers of the same shape."""
    return array[..., ::-1] * 0.5


def _results(subject: object, function: str, case: Case, dout: object) -> dict:
    out, cache = case.forward(subject, function)
    gradients = case.backward(subject, function, dout, cache)
    return {"out": out} | {f"d{name}": gradient for name, gradient in gradients.items()}


def _call(subject: object, function: str, cases: list[Case], seed: int) -> dict:
    outputs = {}
    for case in cases:
        mine = case._replace(
            arguments={
                name: np.copy(v) if isinstance(v, np.ndarray) else v
                for name, v in case.arguments.items()
            }
        )
        dout = _dout(function, case, seed)
        before = _results(subject, function, mine, dout)
        facts = {"first": {name: np.copy(value) for name, value in _arrays(before).items()}}
        facts["shared"] = _shared(before, _arrays(mine.arguments) | _arrays({"dout": dout}))
        for value in _arrays(before).values():  # the caller may overwrite a result
            if value.flags.writeable:
                value[...] = SPOILED
        facts["again"] = {
            name: np.copy(value)
            for name, value in _arrays(_results(subject, function, mine, dout)).items()
        }
        for name in case.wrt:  # the same arrays, with other numbers in them
            mine.arguments[name][...] = _other(mine.arguments[name])
        facts["other"] = {
            name: np.copy(value)
            for name, value in _arrays(_results(subject, function, mine, dout)).items()
        }
        outputs[case.label] = facts
    return outputs


def _shared(results: dict, arguments: dict[str, np.ndarray]) -> list[str]:
    """Return the pairs of arrays that overlap in memory."""
    mine = _arrays(results)
    pairs = [(one, other) for one in mine.items() for other in arguments.items()] + list(
        combinations(mine.items(), 2)
    )
    return [f"{one} and {other}" for (one, a), (other, b) in pairs if np.shares_memory(a, b)]


def _judge(outputs: dict, function: str, cases: list[Case], seed: int) -> list[Line]:
    lines = []
    for case in cases:
        facts, label = outputs[case.label], f"{function} {case.label}"
        lines.append(
            true(
                f"{label}: arrays that share memory",
                not facts["shared"],
                ", ".join(facts["shared"]) or "none",
                "none",
            )
        )
        for name, value in facts["first"].items():
            lines.append(
                equal(f"{label}: {name}, called again", facts["again"].get(name), value, 1e-12)
            )
        other = case._replace(
            arguments=case.arguments | {name: _other(case.arguments[name]) for name in case.wrt}
        )
        want = _arrays(_results(by_hand, function, other, _dout(function, case, seed)))
        for name, value in want.items():
            lines.append(
                equal(
                    f"{label}: {name} of other numbers in the same arrays",
                    facts["other"].get(name),
                    value,
                    1e-9,
                )
            )
    return lines


def _positions_call(subject: object) -> dict:
    first = subject.sinusoidal_positions(6, 4)
    kept = np.copy(first)
    first[...] = SPOILED
    return {
        "kept": kept,
        "again": subject.sinusoidal_positions(6, 4),
        "longer": subject.sinusoidal_positions(9, 4),
    }


POSITIONS = Check(
    "sinusoidal_positions.sharing",
    "sinusoidal_positions: each caller gets its own table",
    ("sinusoidal_positions",),
    inputs=lambda rng: {},
    call=_positions_call,
    judge=lambda got: [
        equal("sinusoidal_positions, called again", got["again"], got["kept"], 0.0),
        equal("sinusoidal_positions of more rows", got["longer"][:6], got["kept"], 0.0),
    ],
    looks_at_memory=True,
)
