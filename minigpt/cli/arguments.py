"""Arguments that several commands share, and their types."""

import argparse
import math
import tempfile
import types
from collections.abc import Callable, Iterable
from dataclasses import Field, fields
from pathlib import Path
from typing import get_args, get_type_hints

from minigpt.expect import did_you_mean


def whole(least: int) -> Callable[[str], int]:
    """The type of a whole number of at least `least`."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if value < least:
            raise argparse.ArgumentTypeError(f"{value} is below {least}")
        return value

    return parse


def choice(names: Iterable[str]) -> Callable[[str], str]:
    """The type of one of some words; an error names the nearest."""
    names = tuple(names)

    def parse(text: str) -> str:
        if text not in names:
            near = did_you_mean(text, names) or f"; give one of {', '.join(names)}"
            raise argparse.ArgumentTypeError(f"invalid choice: {text!r}{near}")
        return text

    return parse


def one_of(names: Iterable[str]) -> dict:
    """The keywords of add_argument for one of some words."""
    names = tuple(names)
    return {"type": choice(names), "metavar": "{" + ",".join(names) + "}"}


def number(
    least: float, most: float = math.inf, open_below: bool = False
) -> Callable[[str], float]:
    """The type of a number in a range.

    open_below: `least` itself is not allowed.
    """

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
        if not least <= value <= most or (open_below and value == least) or math.isinf(value):
            low = f"above {least:g}" if open_below else f"at least {least:g}"
            high = "" if math.isinf(most) else f" and at most {most:g}"
            raise argparse.ArgumentTypeError(f"{text} must be {low}{high}")
        return value

    return parse


def expect_writable(out: Path) -> None:
    """Raises OSError if the run's directory cannot be made or written.

    A file without a name is written in it, or in the nearest folder above it that exists.
    """
    try:
        places = (out, *out.absolute().parents)
        place = next(path for path in places if path.exists() or path.is_symlink())
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        problem = f"cannot be written ({error.strerror}); give a folder that you may write to"
        raise OSError(f"--out {out}: {problem}") from None


def windows(text: str) -> tuple[int | None, ...]:
    """The type of --windows: numbers or "none", separated by commas."""
    return tuple(None if part.strip() == "none" else whole(1)(part) for part in text.split(","))


def add_ops(
    parser: argparse.ArgumentParser, default: str | None = "numpy", said: str | None = None
) -> None:
    """Add --ops. default: its value without the flag; said: that in words."""
    parser.add_argument(
        "--ops",
        default=default,
        metavar="WHICH",
        help="whose functions run: numpy (the reference), numba (the kernels, fast), by_hand "
        "(loops, slow), or the path of your "
        f"own .py file (default: {said or default})",
    )


def add_fields(
    parser: argparse.ArgumentParser, owner: type, title: str, leave_out: tuple[str, ...] = ()
) -> None:
    """Add a flag for each field of a dataclass of settings (config.py).

    Its value is None if the flag is not given.
    """
    group = parser.add_argument_group(title)
    hints = get_type_hints(owner)
    for field in fields(owner):
        if field.name not in leave_out:
            _add_field(group, field, _plain(hints[field.name]))


def _add_field(group: argparse._ArgumentGroup, field: Field, kind: type) -> None:
    """The flag of one field."""
    flag, text = "--" + field.name.replace("_", "-"), field.metadata["about"].replace("%", "%%")
    if kind is bool:
        group.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)
    elif field.metadata["choices"]:
        group.add_argument(flag, **one_of(field.metadata["choices"]), help=text)
    elif field.name == "windows":
        group.add_argument(flag, type=windows, metavar="N,N,...", help=text)
    else:
        parse = number(0.0) if kind is float else whole(field.metadata["whole"])
        group.add_argument(flag, type=parse, metavar="X" if kind is float else "N", help=text)


def given(args: argparse.Namespace, owner: type) -> dict:
    """The fields of a dataclass that were given as flags."""
    names = {field.name for field in fields(owner)}
    return {
        name: value for name, value in vars(args).items() if name in names and value is not None
    }


def _plain(hint: object) -> object:
    """int of `int | None`."""
    return (
        next(part for part in get_args(hint) if part is not types.NoneType)
        if isinstance(hint, types.UnionType)
        else hint
    )
