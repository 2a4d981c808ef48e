"""Step through a model: every call of its forward and backward pass.

  minigpt trace "The best way"
      the small model that comes with minigpt, one line per step
  minigpt trace "trans" --model tiny
      a model so small that every number can be seen
  minigpt trace "The best way" --only h.0.attn
      the steps of one module in full, with central differences
  minigpt trace "The best way" --html walk.html
      all steps as one page, to step through in a browser
  minigpt trace "The best way" --model runs/demo
      a model of yours

With --interactive, Enter shows one step after the other.
"""

import argparse
import sys
from pathlib import Path

from minigpt.cli.arguments import add_ops
from minigpt.expect import did_you_mean
from minigpt.files import expect_ours
from minigpt.model import GPT
from minigpt.ops import load_ops
from minigpt.tracing.page import PAGE_MARK
from minigpt.tracing.tiny import tiny_model, tiny_tokenizer
from minigpt.tracing.trace import Step, Trace, trace
from minigpt.training.checkpoint import find_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", metavar="TEXT", help="what the model reads")
    parser.add_argument(
        "--model",
        metavar="RUN",
        help="a run of `minigpt train`, a checkpoint's directory, or tiny (default: prose)",
    )
    parser.add_argument(
        "--only",
        metavar="NAME",
        help="only the steps of one module (h.0.attn, for example), in full",
    )
    parser.add_argument("--forward", action="store_true", help="without the backward pass")
    parser.add_argument(
        "--interactive", action="store_true", help="one step after the other; Enter goes on, q ends"
    )
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="write the walk as one page for a browser"
    )
    add_ops(parser)


def run(args: argparse.Namespace) -> int:
    if args.html:
        expect_ours(args.html, PAGE_MARK)
    recorded = traced(args)
    if args.html:
        recorded.html(args.html)
        print(
            f"{args.html}: {len(recorded)} steps, {args.html.stat().st_size / 1e6:.1f} MB; open it "
            "in a browser"
        )
        return 0
    if args.only:
        recorded = part(recorded, args.only)
    if args.forward:
        recorded = recorded.forward
    if args.interactive:
        walk(recorded)
    elif args.only:
        print("\n\n".join(map(str, recorded)))
    else:
        print(recorded)
        print(f"loss {recorded.loss:.4f} nats per token" if not args.forward else "")
    return 0


def traced(args: argparse.Namespace) -> Trace:
    ops = load_ops(args.ops)
    if args.model == "tiny":
        model, tokenizer = tiny_model(), tiny_tokenizer()
        if args.ops == "numba":
            model.params = {name: array.astype("float32") for name, array in model.params.items()}
        return trace(model, args.text, tokenizer, ops=ops)
    if args.model and not Path(args.model).exists():
        near = did_you_mean(args.model, ("tiny", "prose"))
        if near:
            raise FileNotFoundError(f"--model {args.model}: no such directory{near}")
    return trace(GPT.from_pretrained(find_model(args.model)), args.text, ops=ops)


def part(recorded: Trace, name: str) -> Trace:
    try:
        return recorded[name]
    except KeyError as error:
        near = did_you_mean(name, dict.fromkeys(part for step in recorded for part in _parts(step)))
        raise ValueError(f"--only {name}: {error.args[0]}{near}") from None


def _parts(step: Step) -> list[str]:
    """The names that stand for a step: "h.0.attn.heads", "h.0.attn", "h.0" and "h"."""
    names = step.name.split(".")
    return [".".join(names[:n]) for n in range(len(names), 0, -1)]


def walk(recorded: Trace) -> None:
    """Print one step; wait for a key; go on."""
    for step in recorded:
        print(f"{step}\n")
        if (
            sys.stdin.isatty()
            and input(f"[{step.index + 1}] Enter: next, q: end > ").strip().lower() == "q"
        ):
            return
