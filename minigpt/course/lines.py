"""The gradient debugger: the local variables of a backward, compared with the reference's.

A backward written in lines keeps each intermediate gradient in a variable. What the variables held
when the function returned is compared, in the order of the manifest, with what the reference's
variables of the same names hold on the same input. The first that is off is where the mistake is.
"""

from typing import NamedTuple

import numpy as np

CLOSE = 1e-9


class Off(NamedTuple):
    """The first intermediate that is wrong."""

    name: str
    problem: str  # got and want at one index, or the shape
    guess: str  # what kind of mistake fits; may be empty


def first_off(
    names: tuple[str, ...], got: dict[str, np.ndarray], want: dict[str, np.ndarray]
) -> Off | None:
    """The first of some variables that is wrong; None if none of those that exist is."""
    for name in names:
        if name in got and (problem := difference(name, got[name], want[name])):
            return Off(name, problem, guess(got[name], want[name]))
    return None


def difference(name: str, got: np.ndarray, want: np.ndarray) -> str:
    """What is wrong with an array, in a sentence; empty if nothing is."""
    if got.shape != want.shape:
        return f"{name} has shape {got.shape}, but must have {want.shape}"
    errors = np.abs(got - want) / (1.0 + np.abs(want))
    errors = np.where(np.isnan(errors), np.inf, errors)
    if not errors.size or errors.max() <= CLOSE:
        return ""
    at = np.unravel_index(errors.argmax(), errors.shape)
    index = ", ".join(str(int(i)) for i in at)
    return f"{name}[{index}] is {got[at]:.6g}, but must be {want[at]:.6g}"


def guess(got: np.ndarray, want: np.ndarray) -> str:
    """The kind of mistake that makes one array of the other: a factor, a transpose, a lost sum."""
    if got.shape != want.shape:
        if got.ndim > want.ndim:
            return "a sum over the axes that were broadcast is missing"
        return "transposed?" if got.shape == want.shape[::-1] else ""
    if np.allclose(got, -want, CLOSE, CLOSE):
        return "the sign is wrong"
    swapped = got.swapaxes(-1, -2) if got.ndim > 1 else got
    if got.ndim > 1 and swapped.shape == want.shape and np.allclose(swapped, want, CLOSE, CLOSE):
        return "the last two axes are swapped"
    safe = np.abs(want) > 1e-6
    ratios = got[safe] / want[safe]
    if ratios.size and np.allclose(ratios, ratios[0], 1e-6) and abs(ratios[0]) > 1e-12:
        return f"every number is {ratios[0]:.6g} times the right one: a factor is missing or extra"
    return ""
