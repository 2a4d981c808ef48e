"""Checks of arguments, with errors that say what is allowed.

Every layer calls these first. So a mistake is reported where it was made, not three shapes later.
The argument `function` is the name that the message begins with.
"""

import difflib
import operator
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import numpy as np

LEARNER = "learner_"  # the name of a module that a learner wrote begins with this


def given(**arrays: np.ndarray | None) -> dict[str, np.ndarray]:
    """The arrays that are not None. (A bias may be None.)"""
    return {name: array for name, array in arrays.items() if array is not None}


def floats(function: str, **arrays: np.ndarray) -> None:
    """Raises TypeError if the arrays do not have one float dtype.

    One dtype, because NumPy would silently turn a mixture of float32 and float64 into float64.
    """
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray | np.floating):
            raise TypeError(
                f"{function}: {name} is a {type(array).__name__}, but must be a NumPy array of "
                "floats"
            )
        if array.dtype.kind != "f":
            raise TypeError(
                f"{function}: {name} has dtype {array.dtype}, but must be a float dtype such as "
                "float32"
            )
        if not array.dtype.isnative:
            raise TypeError(
                f"{function}: {name} has dtype {array.dtype}, but must have this machine's byte "
                "order"
            )
    first, *others = arrays
    for name in others:
        if arrays[name].dtype != arrays[first].dtype:
            raise TypeError(
                f"{function}: {name} has dtype {arrays[name].dtype}, but must have that of "
                f"{first}: {arrays[first].dtype}"
            )


def floats_of(function: str, of: str, arrays: dict[str, np.ndarray]) -> None:
    """Raises TypeError if a dict's values are not arrays of floats.

    of: the name of the dict; the message has it with the key.
    """
    for name, array in arrays.items():
        if not (isinstance(array, np.ndarray) and array.dtype.kind == "f"):
            floats(function, **{f"{of}[{name!r}]": array})


def like(function: str, of: str, name: str, array: np.ndarray, theta: np.ndarray) -> None:
    """Raises ValueError, TypeError if array has not theta's shape and dtype.

    theta: a parameter; array: its gradient or moment, in the dict named `of`.
    """
    fits = (
        isinstance(array, np.ndarray)
        and isinstance(theta, np.ndarray)
        and array.shape == theta.shape
    )
    if fits and array.dtype == theta.dtype and theta.dtype.kind == "f":
        return
    floats(function, **{f"params[{name!r}]": theta})
    floats(function, **{f"{of}[{name!r}]": array})
    if array.shape != theta.shape:
        raise ValueError(
            f"{function}: {of} has {name} of shape {array.shape}, but must have the parameter's: "
            f"{theta.shape}"
        )
    raise TypeError(
        f"{function}: {of} has {name} of dtype {array.dtype}, but must have the parameter's: "
        f"{theta.dtype}"
    )


def integers(function: str, **arrays: np.ndarray) -> None:
    """Raises TypeError if the arrays are not NumPy arrays of integers."""
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray | np.integer):
            raise TypeError(
                f"{function}: {name} is a {type(array).__name__}, but must be a NumPy array of "
                "integers"
            )
        if not np.issubdtype(array.dtype, np.integer):
            raise TypeError(
                f"{function}: {name} has dtype {array.dtype}, but must be an integer dtype such as "
                "int64"
            )


def shape(function: str, name: str, array: np.ndarray | None, wanted: tuple, why: str) -> None:
    """Raises ValueError if the array does not have the wanted shape.

    array: None is accepted. why: the reason, for the message.
    """
    if array is not None and array.shape != tuple(wanted):
        raise ValueError(
            f"{function}: {name} has shape {array.shape}, but must be {tuple(wanted)}: {why}"
        )


def rank(function: str, name: str, array: np.ndarray, letters: str) -> None:
    """Raises ValueError if the array does not have the named axes.

    letters: the names of the axes, for example "B nh T hs".
    """
    if array.ndim != len(letters.split()):
        raise ValueError(
            f"{function}: {name} has {array.ndim} axes {array.shape}, but must have "
            f"{len(letters.split())}: ({letters})"
        )


def last_axis(function: str, name: str, array: np.ndarray) -> None:
    """Raises ValueError if there is no last axis, or it is empty."""
    if array.ndim == 0 or array.shape[-1] == 0:
        raise ValueError(
            f"{function}: {name} has shape {array.shape}, but must have a last axis of at least 1 "
            "element"
        )


def same_as_out(function: str, dout: np.ndarray, out_shape: tuple, dtype: np.dtype) -> None:
    """Raises ValueError, TypeError if dout has not out's shape and dtype."""
    floats(function, dout=dout)
    shape(function, "dout", dout, out_shape, "the shape of what the forward pass returned")
    if dout.dtype != dtype:
        raise TypeError(
            f"{function}: dout has dtype {dout.dtype}, but must have the forward pass's: {dtype}"
        )


def ids_below(function: str, name: str, ids: np.ndarray, size: int, of: str) -> None:
    """Raises IndexError if an id is not in [0, size).

    NumPy would silently count a negative id from the end.
    """
    if ids.size and (ids.min() < 0 or ids.max() >= size):
        wrong = int(ids[(ids < 0) | (ids >= size)].flat[0])
        raise IndexError(
            f"{function}: {name} contains {wrong}, but must be in 0 .. {size - 1}, {of}"
        )


def whole_number(function: str, name: str, value: int, least: int = 1) -> int:
    """The value as a Python int (a NumPy int8 would overflow).

    Raises TypeError if it is not a whole number; True and False are not. Raises ValueError if it is
    below `least`.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        whole = operator.index(value)
    except TypeError:
        raise TypeError(f"{function}: {name} is {value!r}, but must be a whole number") from None
    if whole < least:
        raise ValueError(f"{function}: {name} is {whole}, but must be at least {least}")
    return whole


def one_of(function: str, name: str, value: object, choices: tuple) -> None:
    """Raises ValueError if the value is not one of the choices."""
    if value not in choices:
        raise ValueError(
            f"{function}: {name} is {value!r}, but must be one of "
            f"{', '.join(map(repr, choices))}{did_you_mean(value, choices)}"
        )


def did_you_mean(word: object, names: Iterable[object]) -> str:
    """ "; did you mean 'gelu'?" if a name is similar, else ""."""
    near = difflib.get_close_matches(str(word), [str(name) for name in names], n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


class Place(NamedTuple):
    """A line of a file, and the function that it is in."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{Path(self.file).name}:{self.line}, in {self.function}"


def where_in_file(error: BaseException, is_theirs: Callable[[FrameType], bool]) -> Place | None:
    """Return the place of the last frame on the way to an error that is theirs, or None."""
    place, traceback = None, error.__traceback__
    while traceback:
        frame = traceback.tb_frame
        if is_theirs(frame):
            place = Place(frame.f_code.co_filename, traceback.tb_lineno, frame.f_code.co_name)
        traceback = traceback.tb_next
    return place


def is_learners(frame: FrameType) -> bool:
    """Return whether a frame runs code of a learner's file."""
    return frame.f_globals.get("__name__", "").startswith(LEARNER)
