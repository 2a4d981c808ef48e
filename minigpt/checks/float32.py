"""Checks of functions that know float32 alone (the kernels): they are asked in float32, and judged
as float32 can be.

A check is written for float64. Here what goes in is made float32, what comes out float64 again, and
what the judge allows is at least what float32 leaves: TOLERANCE. The precise comparison is that of
the checks float32 and float32_backward, which hold every function to twice NumPy's own error.
Central differences are taken of the reference's forward, in float64, at the same place.
"""

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from minigpt import layers
from minigpt.checks import core
from minigpt.contract import FUNCTIONS, pair_of

TOLERANCE = 2e-5
# central differences of a whole model in float32 are noise; model.pytorch and others remain
NOT_ASKED = ("model.gradient",)


class Doubled(NamedTuple):
    """A cache of float32, made by a call that was asked in float64."""

    cache: object


def in_float32(ops: object) -> SimpleNamespace:
    """The contract's functions of ops, to be called with float64 arrays: they run in float32."""
    functions = {name: _single(getattr(ops, name)) for name in FUNCTIONS}
    optimizer = (
        {"adamw_step": _single_step(ops.adamw_step), "grad_norm": ops.grad_norm}
        if hasattr(ops, "adamw_step")
        else {}
    )
    return SimpleNamespace(**functions, own=FUNCTIONS, in_double=layers, optimizer=optimizer)


def _single(function: Callable) -> Callable:
    """float64 arrays become float32 on the way in, and float32 results float64 on the way out;
    float32 calls pass untouched.

    What is mixed stays mixed, so that an error about it is still due: a dout of float32 for a cache
    asked in float64 is sent as float64 to the cache that is of float32.
    """

    @functools.wraps(function)
    def called(*args, **kwargs):
        if len(args) == 2 and isinstance(args[1], Doubled):  # a backward pass
            dout = _down(args[0]) if _is(args[0], np.float64) else _up(args[0])
            return _up(function(dout, args[1].cache))
        dtypes = {
            value.dtype
            for value in (*args, *kwargs.values())
            if isinstance(value, np.ndarray) and value.dtype.kind == "f"
        }
        if dtypes != {np.dtype(np.float64)}:
            return function(*args, **kwargs)
        if pair_of(function.__name__) is None:
            return _up(
                function(
                    *map(_down, args), **{name: _down(value) for name, value in kwargs.items()}
                )
            )
        out, cache = function(
            *map(_down, args), **{name: _down(value) for name, value in kwargs.items()}
        )
        return _up(out), Doubled(cache)

    return called


def _single_step(adamw_step: Callable) -> Callable:
    """adamw_step on float32 copies of float64 arrays, which are then written back: it works in
    place.
    """

    @functools.wraps(adamw_step)
    def called(params, grads, state, *args, **kwargs):
        small = [
            {name: _down(array) for name, array in arrays.items()}
            for arrays in (params, grads, *state)
        ]
        adamw_step(small[0], small[1], type(state)(*small[2:]), *args, **kwargs)
        for arrays, results in ((params, small[0]), (state.m, small[2]), (state.v, small[3])):
            for name, array in arrays.items():
                array[...] = results[name]

    return called


def _is(value: object, dtype: type) -> bool:
    return isinstance(value, np.ndarray | np.generic) and value.dtype == dtype


def _down(value: object) -> object:
    """In float32, lying in memory as before: a transposed view stays one."""
    return value.astype(np.float32, order="K") if _is(value, np.float64) else value


def _up(value: object) -> object:
    """In float64, where it is an array of float32, or a tuple that holds such."""
    if type(value) is tuple:
        return tuple(map(_up, value))
    return value.astype(np.float64) if _is(value, np.float32) else value


def perform(check: core.Check, subject: object, seed: int = 0) -> core.Report:
    """core.perform, with the tolerance of float32."""
    with core.tolerance_at_least(TOLERANCE):
        return core.perform(check, subject, seed)


def asked_of_float32(check: core.Check) -> bool:
    return not check.name.startswith(NOT_ASKED)
