"""Fixtures: a text, a tiny run, and a model with NaN."""

from pathlib import Path

import numpy as np
import pytest

from minigpt.model import GPT
from minigpt.text.data import TextData
from minigpt.tracing.tiny import tiny_model
from minigpt.training.run import Run, new_run
from minigpt.training.settings import TrainSettings

TEXT = "the quick brown fox jumps over the lazy dog. " * 60
TINY_MODEL = {"block_size": 16, "n_layer": 1, "n_head": 2, "n_embd": 8, "dropout": 0.1}
TINY_TRAIN = {
    "batch_size": 4,
    "max_iters": 12,
    "eval_interval": 4,
    "eval_batches": 2,
    "checkpoint_interval": 3,
    "sample_length": 5,
}


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    """A text that can be trained on."""
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture
def tiny_run(tmp_path: Path, text_file: Path):
    """Return a function that makes runs of 12 steps: tiny_run("name", max_iters=...)."""

    def make(name: str = "run", **changed) -> Run:
        data = TextData(str(text_file), TEXT)
        return new_run(tmp_path / name, data, TINY_MODEL, TrainSettings(**TINY_TRAIN | changed))

    return make


@pytest.fixture
def broken_model() -> GPT:
    """The tiny model with NaN in one weight.

    Its call h.0.mlp.c_fc (step 12 of a trace) is the first to give NaN.
    """
    model = tiny_model()
    model.params["h.0.mlp.c_fc.weight"][0, 0] = np.nan
    return model
