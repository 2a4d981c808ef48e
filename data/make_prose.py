"""Make data/prose, the small trained model that ships here: python data/make_prose.py (about ten
minutes on one core).

It is the run `minigpt train --preset prose --out runs/prose --ops numba` without what only training
needs: the four files that Hugging Face's GPT-2 has too. A run that was stopped goes on. Numbers of
another processor differ in the last digits.
"""

import argparse
from pathlib import Path

from minigpt.cli import main
from minigpt.training.checkpoint import open_model

PROSE = Path(__file__).parent / "prose"


def make(out: str) -> int:
    """Train, keep, measure. Returns the exit status."""
    if status := main(["train", "--preset", "prose", "--out", out, "--ops", "numba", "--resume"]):
        return status
    _, model, tokenizer = open_model(out)
    model.save_pretrained(PROSE)
    tokenizer.save(PROSE)
    print(f"{PROSE}: {sum(file.stat().st_size for file in PROSE.iterdir()):,} bytes")
    return main(["eval", str(PROSE), "--data", "python-prose", "--ops", "numba"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out",
        default="runs/prose",
        metavar="DIR",
        help="where the run goes (default: runs/prose)",
    )
    raise SystemExit(make(parser.parse_args().out))
