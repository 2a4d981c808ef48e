"""Train a small GPT for about a minute on text that every Python brings along, and let it write.

The run is in runs/demo: its loss curve, its log and its checkpoint. A demo that was there before is replaced.
"""

import argparse
import time
from dataclasses import asdict
from pathlib import Path

from minigpt.checkpoint import TRAINING, checkpoints, drop
from minigpt.cli import generate as generate_command
from minigpt.cli.arguments import number
from minigpt.cli.train import announce, report
from minigpt.data import load_data
from minigpt.pretrained import read_json
from minigpt.settings import PRESETS, TrainSettings
from minigpt.train import LOG, Run, new_run, train


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, default=Path("runs/demo"), metavar="DIR", help="where the run goes (default: runs/demo)"
    )
    parser.add_argument(
        "--max-seconds", type=number(0.0), default=85.0, metavar="X", help="stop after so many seconds (default: 85)"
    )


def replace_demo(out: Path, training: Run) -> None:
    """Delete a demo that was there before. Raises ValueError where it is another run's directory."""
    saved = checkpoints(out)
    if not saved:
        return
    before = read_json(saved[-1] / TRAINING)
    if before["data"] != training.data.name or before["settings"] != asdict(training.settings):
        raise ValueError(f"--out {out}: holds another run, which the demo would replace; give another --out")
    for directory in saved:
        drop(directory)
    (out / LOG).unlink(missing_ok=True)


def run(args: argparse.Namespace) -> int:
    preset = PRESETS["demo"]
    training = new_run(args.out, load_data(preset.data), preset.model, TrainSettings(**preset.train))
    replace_demo(args.out, training)
    announce(training)
    begun_at = time.monotonic()
    done = train(training, args.max_seconds)
    seconds = time.monotonic() - begun_at
    print()
    generate_command.write(training.model, training.data.tokenizer, "The ", max_new_tokens=400, temperature=0.7, seed=0)
    print("\n")
    report(training, done, seconds)
    return 0
