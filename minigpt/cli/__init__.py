"""The command `minigpt`: one file a command, each thin.

Errors end in one line on stderr and a status that is not 0.
"""

import argparse
import importlib
import os
import sys
import warnings
from pathlib import Path
from typing import NoReturn

from minigpt.cli import supervised

# command -> what `minigpt --help` says of it. Each is a file of this folder with
# add_arguments(parser) and run(args).
COMMANDS = {
    "demo": "train a small GPT on text that is already here, about a minute; shows the loss "
    "falling and a sample",
    "train": "train a GPT on a text or a task",
    "generate": "let a trained model write",
    "eval": "the loss of a trained model on a data set",
    "warmup": "compile the kernels (--ops numba) now, so that nothing waits for it later",
    "bench": "measure the kernels beside NumPy and PyTorch",
    "check": "test the layers, or your own: values, gradients, properties",
    "trace": "step through a model: every call, forward and backward, with formula and numbers",
    "formulas": "every formula with its source and its largest error, and the ones that are wrong",
    "data": "list, get and show data sets",
    "config": "the published models, and what a model costs: parameters, bytes, FLOPs",
}

USUAL = warnings.formatwarning


class Parser(argparse.ArgumentParser):
    """argparse, with its errors in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def main(argv: list[str] | None = None) -> int:
    """Run one command. Returns the exit status: 0 where it did what was asked."""
    # a console that cannot show a character gets its escape, not a crash
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    warnings.formatwarning = one_line
    argv = sys.argv[1:] if argv is None else argv
    args = _parser(argv).parse_args(argv)
    if supervised.is_needed(args.command, getattr(args, "ops", None)):
        return supervised.run(argv, args.command, args.ops)
    status = _status(args)
    supervised.say_ending(status)
    return status


def _status(args: argparse.Namespace) -> int:
    """Run the command. What goes wrong is one line on stderr."""
    try:
        return args.run(args) or 0
    except KeyboardInterrupt:
        print(f"minigpt {args.command}: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except SystemExit as error:  # of a learner's function: it is not for it to say that all is well
        print(
            f"minigpt {args.command}: error: SystemExit({error.code!r}) was raised in the middle "
            "of the command",
            file=sys.stderr,
        )
        return 1
    except Exception as error:  # MINIGPT_TRACEBACK=1 shows where it came from
        if os.environ.get("MINIGPT_TRACEBACK"):
            raise
        print(f"minigpt {args.command}: error: {describe(error)}", file=sys.stderr)
        return 1


def one_line(message: Warning | str, category: type[Warning], *where: object) -> str:
    """One of our own warnings, without the line of code; other warnings with it, as usual."""
    if category is not UserWarning:
        return USUAL(message, category, *where)
    return f"minigpt: warning: {message}\n"


def describe(error: Exception) -> str:
    """An error in one line; with file and line where it came out of a learner's file."""
    text = " ".join(str(error).split())
    if (
        not isinstance(
            error,
            ValueError
            | TypeError
            | OSError
            | ImportError
            | NotImplementedError
            | FloatingPointError,
        )
        or not text
    ):
        text = f"{type(error).__name__}: {text}"  # such as KeyError, whose message is a key alone
    place, traceback = "", error.__traceback__
    while traceback:
        frame = traceback.tb_frame
        if frame.f_globals.get("__name__", "").startswith("learner_"):
            place = (
                f" ({Path(frame.f_code.co_filename).name}:{traceback.tb_lineno}, in "
                f"{frame.f_code.co_name})"
            )
        traceback = traceback.tb_next
    return text + place


def _parser(argv: list[str]) -> Parser:
    from minigpt.files import VERSION

    parser = Parser(
        prog="minigpt",
        description="A GPT in NumPy that you can read, step through, check and run.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"minigpt {VERSION}")
    subparsers = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=Parser
    )
    asked = next((word for word in argv if not word.startswith("-")), None)
    for name, about in COMMANDS.items():
        if name != asked:  # only the command that runs is imported: --help stays fast
            subparsers.add_parser(name, help=about)
            continue
        command = importlib.import_module(f"minigpt.cli.{name}")
        subparser = subparsers.add_parser(
            name,
            help=about,
            description=command.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run)
    return parser
