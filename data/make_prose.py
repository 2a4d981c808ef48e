"""Make data/prose, the small trained model that is included here.

python data/make_prose.py takes about ten minutes on one core.
It is the run `minigpt train --preset prose --out runs/prose --ops numba` without the files that
only training needs. The four files are those that Hugging Face's GPT-2 has too. A stopped run is
resumed. On another processor the last digits differ.
"""

import argparse
from pathlib import Path

from minigpt.cli import main
from minigpt.training.checkpoint import open_model

PROSE = Path(__file__).parent / "prose"


def make(out: str) -> int:
    """Train, copy the files, measure. Returns the exit status."""
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
