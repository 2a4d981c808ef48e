"""TrainSettings: everything that fixes a training run besides the model's shape; and the presets,
which fix both.

A run is a function of these and the data: the same settings give the same weights, bit for bit, on
one machine.
"""

import math
from dataclasses import dataclass, fields
from typing import NamedTuple

from minigpt.layers import expect

OPTIMIZERS = ("adamw", "muon")


@dataclass(frozen=True)
class TrainSettings:
    """How to train. The comments are the command line's help."""

    batch_size: int = 12  # sequences in a batch
    grad_accumulation: int = 1  # batches whose gradients are averaged for one step
    max_iters: int = 2000  # steps of the optimizer
    # adamw, or muon: AdamW for tables and vectors, orthogonal steps for the blocks' matrices
    optimizer: str = "adamw"
    learning_rate: float = 1e-3  # AdamW: the highest learning rate, reached after the warm-up
    min_lr: float = 1e-4  # the learning rate at the end of the cosine
    warmup_iters: int = 100  # steps until the learning rate is at its highest
    # the step at which the cosine ends; max_iters where not given
    lr_decay_iters: int | None = None
    beta1: float = 0.9  # AdamW: memory of the gradient's mean
    beta2: float = 0.99  # AdamW: memory of the gradient's square
    weight_decay: float = 0.1  # pull of the matrices towards 0
    # Muon: the highest rate of the blocks' matrices; it rises and falls as learning_rate does
    muon_learning_rate: float = 0.02
    muon_momentum: float = 0.9  # Muon: memory of the gradient
    grad_clip: float = 1.0  # the highest norm of all gradients together; 0 for none
    eval_interval: int = 250  # steps between two evaluations
    eval_batches: int = 20  # batches in an evaluation, the same ones each time
    checkpoint_interval: int = 250  # steps between two checkpoints
    sample_length: int = 120  # tokens of the sample shown at an evaluation; 0 for none
    seed: int = 1337  # of the weights, the batches, dropout and samples

    def __post_init__(self):
        if self.lr_decay_iters is None:
            self._set("lr_decay_iters", self.max_iters)
        for name in (
            "batch_size",
            "grad_accumulation",
            "max_iters",
            "eval_interval",
            "eval_batches",
            "checkpoint_interval",
        ):
            self._set(name, expect.whole_number("TrainSettings", name, getattr(self, name)))
        for name in ("warmup_iters", "lr_decay_iters", "sample_length", "seed"):
            self._set(
                name, expect.whole_number("TrainSettings", name, getattr(self, name), least=0)
            )
        expect.one_of("TrainSettings", "optimizer", self.optimizer, OPTIMIZERS)
        for name in ("learning_rate", "min_lr", "weight_decay", "grad_clip", "muon_learning_rate"):
            if not (getattr(self, name) >= 0 and math.isfinite(getattr(self, name))):
                raise ValueError(
                    f"TrainSettings: {name} is {getattr(self, name)}, but must not be negative"
                )
        for name in ("beta1", "beta2", "muon_momentum"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(
                    f"TrainSettings: {name} is {getattr(self, name)}, but must be at least 0 and below 1"
                )
        if not self.learning_rate >= self.min_lr:
            raise ValueError(
                f"TrainSettings: min_lr is {self.min_lr}, but must not be above learning_rate = {self.learning_rate}"
            )

    def _set(self, name: str, value: int) -> None:
        object.__setattr__(self, name, value)


class Preset(NamedTuple):
    """A named choice of model and training."""

    about: str
    data: str
    model: dict  # fields of GPTConfig, without vocab_size
    train: dict  # fields of TrainSettings
    # of the byte-level BPE that is trained on the data first; None: a token is a character
    vocab_size: int | None = None


PRESETS = {
    "char-cpu": Preset(
        "nanoGPT's published run on a CPU: 4 layers, 128 channels, 2000 steps",
        data="shakespeare",
        model=dict(
            block_size=64,
            n_layer=4,
            n_head=4,
            n_embd=128,
            dropout=0.0,
            bias=False,
            activation="gelu_erf",
        ),
        train=dict(
            batch_size=12,
            max_iters=2000,
            learning_rate=1e-3,
            min_lr=1e-4,
            warmup_iters=100,
            beta1=0.9,
            beta2=0.99,
        )
        | dict(
            weight_decay=0.1, grad_clip=1.0, eval_interval=250, eval_batches=20, lr_decay_iters=2000
        ),
    ),
    "char-fast": Preset(
        "the same model, to the same loss in a quarter of the steps: Muon",
        data="shakespeare",
        model=dict(
            block_size=64,
            n_layer=4,
            n_head=4,
            n_embd=128,
            dropout=0.0,
            bias=False,
            activation="gelu_erf",
        ),
        train=dict(
            optimizer="muon",
            muon_learning_rate=0.03,
            muon_momentum=0.9,
            batch_size=12,
            max_iters=500,
            learning_rate=1.2e-2,
        )
        | dict(
            min_lr=0.0,
            warmup_iters=30,
            beta1=0.9,
            beta2=0.99,
            weight_decay=0.1,
            grad_clip=1.0,
            eval_interval=100,
        )
        | dict(eval_batches=20, lr_decay_iters=500, checkpoint_interval=250),
    ),
    "demo": Preset(
        "about a minute on two cores, on text that every Python brings along",
        data="python-docs",
        model=dict(block_size=64, n_layer=2, n_head=4, n_embd=128),
        train=dict(
            batch_size=8,
            max_iters=750,
            learning_rate=4e-3,
            min_lr=4e-4,
            warmup_iters=40,
            eval_interval=150,
        )
        | dict(eval_batches=20, checkpoint_interval=250, sample_length=100),
    ),
    "prose": Preset(
        "the model in data/prose: 1024 tokens of byte-level BPE, 4 layers, 128 channels, Muon",
        data="python-prose",
        model=dict(block_size=128, n_layer=4, n_head=4, n_embd=128, dropout=0.0, bias=True),
        train=dict(
            optimizer="muon",
            muon_learning_rate=0.03,
            muon_momentum=0.9,
            batch_size=16,
            max_iters=4000,
        )
        | dict(
            learning_rate=6e-3,
            min_lr=0.0,
            warmup_iters=100,
            beta1=0.9,
            beta2=0.99,
            weight_decay=0.1,
            grad_clip=1.0,
        )
        | dict(eval_interval=500, eval_batches=20, checkpoint_interval=500),
        vocab_size=1024,
    ),
    "task": Preset(
        "for the generated tasks: about a minute",
        data="reverse",
        model=dict(block_size=32, n_layer=2, n_head=4, n_embd=64),
        train=dict(
            batch_size=64,
            max_iters=700,
            learning_rate=3e-3,
            min_lr=1e-4,
            warmup_iters=50,
            weight_decay=0.0,
        )
        | dict(eval_interval=100, eval_batches=4, checkpoint_interval=350),
    ),
}


def field_help(owner: type) -> dict[str, str]:
    """The comment behind each field of TrainSettings or GPTConfig, read from its source: written
    once, shown by --help.
    """
    import inspect

    lines = inspect.getsource(owner).splitlines()
    comments = {
        line.split(":")[0].strip(): line.split("#", 1)[1].strip()
        for line in lines
        if ":" in line and "#" in line
    }
    return {field.name: comments.get(field.name, "") for field in fields(owner)}
