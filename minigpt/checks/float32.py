"""Run the checks on functions that only know float32 (the kernels).

A check is written for float64. Here its inputs are converted to float32, and the results back to
float64. Each tolerance is at least TOLERANCE, because float32 is not more exact. The checks float32
and float32_backward are the strict comparison: they allow twice NumPy's error. Central
differences are taken of the reference's forward, in float64, at the same inputs.
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
    """A float32 cache, made by a call with float64 arguments."""

    cache: object


def in_float32(ops: object) -> SimpleNamespace:
    """Return the functions of ops, to be called with float64 arrays.

    They run in float32.
    """
    functions = {name: _single(getattr(ops, name)) for name in FUNCTIONS}
    if hasattr(ops, "adamw_step"):  # the kernels bring their own optimizer
        functions |= {"adamw_step": _single_step(ops.adamw_step), "grad_norm": ops.grad_norm}
    return SimpleNamespace(**functions, own=FUNCTIONS, in_double=layers)


def _single(function: Callable) -> Callable:
    """Return the function with float64 arguments and results, run in float32.

    float32 calls pass unchanged.

    Mixed dtypes stay mixed, so that they still raise the error that they should. For example, a
    float32 dout for a call with float64 arguments reaches the float32 cache as float64.
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
    """Return adamw_step for float64 arrays, run in float32.

    It works in place, so the results are copied back.
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
    """Return a float64 array as float32, in the same memory layout.

    A transposed view stays one.
    """
    return value.astype(np.float32, order="K") if _is(value, np.float64) else value


def _up(value: object) -> object:
    """Return a float32 array, or each in a tuple, as float64.

    Anything else stays.
    """
    if type(value) is tuple:
        return tuple(map(_up, value))
    return value.astype(np.float64) if _is(value, np.float32) else value


def perform(check: core.Check, subject: object, seed: int = 0) -> core.Report:
    """Run core.perform with the tolerance of float32."""
    report = core.perform(check, subject, seed)
    lines = [core.with_tolerance(line, TOLERANCE) for line in report.lines]
    return report._replace(lines=lines)


def asked_of_float32(check: core.Check) -> bool:
    return not check.name.startswith(NOT_ASKED)
