"""What a check is, and how two arrays are compared.

A check is three parts that can run apart: inputs(rng) makes the arguments, call(subject, **inputs)
runs what is checked and returns arrays by name, judge(outputs, **inputs) says of each tensor what
was got, what is right, and whether they agree. A class's hidden tests are the same checks with
another seed; a grader runs `call` in one process and `judge` in another.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Line(NamedTuple):
    """The verdict on one tensor, as `minigpt check` prints it."""

    tensor: str
    got: str
    want: str
    error: float  # the largest relative error, or infinity where a comparison makes no sense
    tolerance: float
    problem: str = ""  # empty where all is well

    def __str__(self) -> str:
        verdict = f"FAIL: {self.problem}" if self.problem else "ok"
        error = (
            f"max error {self.error:8.1e} (at most {self.tolerance:.0e})"
            if self.tolerance
            else f"{'exactly':31s}"
        )
        return f"{self.tensor:36s} got {self.got:>12s}  want {self.want:>12s}  {error}  {verdict}"


class Check(NamedTuple):
    """One check.

    `functions` names what it calls of the subject: a check of functions that are not there is not
    run.
    """

    name: str
    about: str
    functions: tuple[str, ...]
    inputs: Callable[[np.random.Generator], dict]
    call: Callable[..., dict]
    judge: Callable[..., list[Line]]
    # not at numbers alone: it must run where the functions and their arrays are
    looks_at_memory: bool = False


class Report(NamedTuple):
    """A check and its lines; it passed where there are lines, and none has a problem."""

    check: Check
    lines: list[Line]
    outputs: dict | None = None  # what the call returned; None if it raised an error

    @property
    def passed(self) -> bool:
        return bool(self.lines) and not any(line.problem for line in self.lines)


def perform(
    check: Check, subject: object, seed: int = 0, call: Callable[..., dict] | None = None
) -> Report:
    """Run a check on a subject.

    What the subject raises is a failed line with file and line number, never an exception here.

    call: what to run in place of the check's own call, where that runs in another process.
    """
    inputs = check.inputs(np.random.default_rng(seed))
    try:
        with np.errstate(all="ignore"):  # wrong code may divide by zero; the judge sees the result
            outputs = (call or check.call)(subject, **inputs)
    except Exception as error:  # whatever a learner's code does, the check reports it
        return Report(
            check, [Line("call", type(error).__name__, "a result", np.inf, 0.0, _story(error))]
        )
    try:
        with np.errstate(all="ignore"):
            return Report(check, check.judge(outputs, **inputs), outputs)
    except Exception as error:  # outputs of a form that nobody foresaw
        return Report(
            check, [Line("outputs", type(error).__name__, "arrays", np.inf, 0.0, _story(error))]
        )


def _story(error: Exception) -> str:
    """An error and its place: the last line of a learner's file on the way to it, or else the last
    one outside the checks.
    """
    if hasattr(error, "place"):  # of another process, whose traceback is not here
        return f"{type(error).__name__}: {' '.join(str(error).split())}" + (
            f" ({error.place})" if error.place else ""
        )
    own, other, step = None, None, error.__traceback__
    while step:
        place = (
            f"{Path(step.tb_frame.f_code.co_filename).name}:{step.tb_lineno}, in "
            f"{step.tb_frame.f_code.co_name}"
        )
        if step.tb_frame.f_globals.get("__name__", "").startswith("learner_"):
            own = place
        elif "minigpt/checks" not in Path(step.tb_frame.f_code.co_filename).as_posix():
            other = place
        step = step.tb_next
    place = f" ({own or other})" if own or other else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())}{place}"


_least_tolerance: ContextVar[float] = ContextVar("least tolerance", default=0.0)


@contextmanager
def tolerance_at_least(tolerance: float) -> Iterator[None]:
    """While it lasts, no comparison of arrays asks for more than this, absolute below 1: for a
    subject of float32 (float32.py).
    """
    token = _least_tolerance.set(tolerance)
    try:
        yield
    finally:
        _least_tolerance.reset(token)


def equal(
    tensor: str, got: object, want: object, tolerance: float = 1e-9, floor: float = 1.0
) -> Line:
    """Compare two arrays: form before values, then the largest of |got - want| / (max(|got|,
    |want|) + floor).

    floor: below this size the error is absolute. tolerance: what the error may be.
    """
    want = np.asarray(want)
    if _least_tolerance.get() > 0.0:
        tolerance, floor = max(tolerance, _least_tolerance.get()), max(floor, 1.0)
    problem = _form(got, want)
    if problem:
        return Line(tensor, _short(got), _short(want), np.inf, tolerance, problem)
    got = np.asarray(got)
    if want.size == 0:
        return Line(tensor, "empty", "empty", 0.0, tolerance)
    got64, want64 = got.astype(np.float64), want.astype(np.float64)
    with np.errstate(invalid="ignore"):  # inf - inf
        difference = np.where(got64 == want64, 0.0, np.abs(got64 - want64))  # inf equals inf
        errors = difference / (np.maximum(np.abs(got64), np.abs(want64)) + floor)
    errors = np.where(np.isnan(errors), np.inf, errors)
    worst = np.unravel_index(errors.argmax(), errors.shape)
    error = float(errors[worst])
    at = f"[{', '.join(map(str, worst))}]" if worst else ""
    problem = (
        ""
        if error <= tolerance
        else f"{tensor}{at} is {got64[worst]:.10g}, but must be {want64[worst]:.10g}"
    )
    return Line(tensor, f"{got64[worst]:.6g}", f"{want64[worst]:.6g}", error, tolerance, problem)


def _form(got: object, want: np.ndarray) -> str:
    """What is wrong with the form of a result: that it is none, its shape, NaN where there must be
    numbers.
    """
    if got is None:
        return "is None, but must be an array"
    if not isinstance(got, np.ndarray | np.generic | float | int):
        return f"is a {type(got).__name__}, but must be an array"
    if np.shape(got) != want.shape:
        return f"has shape {np.shape(got)}, but must be {want.shape}"
    if np.iscomplexobj(got):  # a comparison in float64 would see the real parts alone
        return f"has dtype {np.asarray(got).dtype}, but must be real"
    if np.isnan(np.asarray(got, dtype=np.float64)).any():
        return f"contains NaN ({int(np.isnan(got).sum())} of {np.size(got)})"
    return ""


def _short(value: object) -> str:
    return "None" if value is None else f"shape {np.shape(value)}" if np.ndim(value) else f"{value}"


def true(tensor: str, fact: bool, got: object, want: str) -> Line:
    """A line about a fact that is no comparison of arrays."""
    return Line(
        tensor,
        str(got),
        want,
        0.0 if fact else np.inf,
        0.0,
        "" if fact else f"{tensor} is {got}, but must be {want}",
    )


def none(tensor: str, got: object) -> Line:
    """A gradient that must not be there: that of a bias that was None."""
    return true(tensor, got is None, _short(got), "None")


def both(name: str) -> tuple[str, str]:
    """The names of a pair of functions."""
    return f"{name}_forward", f"{name}_backward"


def first(result: tuple) -> np.ndarray:
    """The output of a forward function, without its cache."""
    return pair("forward", result)[0]


def pair(function: str, result: object) -> tuple:
    """What a forward returned, if it is a pair.

    Else TypeError: a forgotten cache is the most likely mistake of all.
    """
    if not (isinstance(result, tuple) and len(result) == 2):
        raise TypeError(
            f"the {function} returned a {type(result).__name__}, but must return a pair: out, cache"
        )
    return result


def numerical_gradient(
    f: Callable[[np.ndarray], float], x: np.ndarray, h: float = 6e-6
) -> np.ndarray:
    """df/dx by central differences, number by number, in float64.

    (f(x + h) - f(x - h)) / 2h errs by h^2/6 f''' and by rounding, eps f / h; h near the cube root
    of eps balances the two.
    """
    gradient = np.empty(x.shape)
    for at in np.ndindex(x.shape):
        above, below = x.copy(), x.copy()
        above[at] += h
        below[at] -= h
        gradient[at] = (f(above) - f(below)) / (above[at] - below[at])
    return gradient
