"""Checks of the residual sum.

It has no backward. What can go wrong is its shape, its dtype, and whose memory it is in.
"""

import numpy as np

from minigpt import by_hand
from minigpt.checks.core import Check, Line, equal, true
from minigpt.checks.spread import LAYOUTS

SHAPES = {  # label: shape of x, shape of y
    "streams": ((2, 5, 6), (2, 5, 6)),
    "positions": ((2, 5, 6), (5, 6)),
    "one row": ((2, 5, 6), (1, 6)),
    "1 axis": ((6,), (6,)),
    "4 axes": ((2, 3, 2, 4), (2, 3, 2, 4)),
    "every size 1": ((1, 1, 1), (1, 1, 1)),
    "long": ((2, 600, 9), (600, 9)),
    "no rows": ((0, 6), (0, 6)),
}


def _pairs(rng: np.random.Generator) -> dict:
    return {
        "pairs": {
            label: (rng.standard_normal(x), rng.standard_normal(y))
            for label, (x, y) in SHAPES.items()
        }
    }


def _add_values(subject, pairs):
    return {label: subject.add(x, y) for label, (x, y) in pairs.items()}


def _add_value_lines(got, pairs) -> list[Line]:
    return [
        equal(f"add {label}", got[label], by_hand.add(x, y), 1e-15)
        for label, (x, y) in pairs.items()
    ]


def _add_float32(subject, x, y):
    return {"out": subject.add(x, y)}


def _add_layouts(subject, x, y):
    return {
        f"{one}, {other}": subject.add(lay(x), lie(y))
        for one, lay in LAYOUTS.items()
        for other, lie in LAYOUTS.items()
    }


def _add_extremes(subject):
    values = np.array([1e20, 3e38, -3e38, np.inf, -np.inf, np.nan, 1.0, 0.0], np.float32)
    return {"out": subject.add(values[:, None].repeat(8, 1), values)}


def _add_extreme_lines(got) -> list[Line]:
    values = np.array([1e20, 3e38, -3e38, np.inf, -np.inf, np.nan, 1.0, 0.0], np.float32)
    want = values[:, None] + values  # infinity + -infinity = NaN; NaN + anything = NaN
    there, must = np.isnan(got["out"]), np.isnan(want)
    return [
        true(
            "add, NaN",
            bool((there == must).all()),
            f"{there.sum()} numbers",
            f"{must.sum()} numbers",
        ),
        equal("add, the rest", np.where(must, 0.0, got["out"]), np.where(must, 0.0, want), 0.0),
    ]


def _add_sharing(subject, x, y):
    mine, other = x.copy(), y.copy()
    out = subject.add(mine, other)
    shared = [name for name, array in (("x", mine), ("y", other)) if np.shares_memory(out, array)]
    kept = np.copy(out)
    changed = [
        name
        for name, array, before in (("x", mine, x), ("y", other, y))
        if not np.array_equal(array, before)
    ]
    again = subject.add(mine, other)
    nothing = subject.add(mine, np.zeros_like(mine))
    shared += ["x, where y is 0"] if np.shares_memory(nothing, mine) else []
    again[...] = 0.0
    return {"shared": shared, "changed": changed, "same": bool(np.array_equal(out, kept))}


ADD = [
    Check(
        "add.values",
        "add: the sum by hand, of every rank; positions broadcast",
        ("add",),
        _pairs,
        _add_values,
        _add_value_lines,
    ),
    Check(
        "add.float32",
        "add: keeps float32",
        ("add",),
        inputs=lambda rng: {name: np.float32(rng.standard_normal((2, 5, 6))) for name in "xy"},
        call=_add_float32,
        judge=lambda got, x, y: [
            true(
                "add dtype",
                getattr(got["out"], "dtype", None) == np.float32,
                getattr(got["out"], "dtype", None),
                "float32",
            ),
            equal("add in float32", got["out"], np.float64(x) + y, 1e-7),
        ],
    ),
    Check(
        "add.layouts",
        "add: arrays that lie in memory column by column, backwards, with gaps, or are read-only",
        ("add",),
        inputs=lambda rng: {name: rng.standard_normal((2, 5, 6)) for name in "xy"},
        call=_add_layouts,
        judge=lambda got, x, y: [
            equal(f"add {label}", out, x + y, 1e-15) for label, out in got.items()
        ],
    ),
    Check(
        "add.huge",
        "add: infinity and NaN are not hidden",
        ("add",),
        lambda rng: {},
        _add_extremes,
        _add_extreme_lines,
    ),
    Check(
        "add.sharing",
        "add: returns a fresh array and leaves its inputs unchanged",
        ("add",),
        inputs=lambda rng: {name: rng.standard_normal((2, 5, 6)) for name in "xy"},
        call=_add_sharing,
        judge=lambda got, x, y: [
            true(
                "add shares memory with",
                not got["shared"],
                ", ".join(got["shared"]) or "nothing",
                "nothing",
            ),
            true(
                "add changes", not got["changed"], ", ".join(got["changed"]) or "nothing", "nothing"
            ),
            true(
                "add: a later call does not change the first result",
                got["same"],
                got["same"],
                "True",
            ),
        ],
        looks_at_memory=True,
    ),
]
