"""Checks of the trainer: its losses, its batches, its steps."""

import math

import numpy as np

from minigpt.checks.core import Check, Line, equal, true
from minigpt.checks.training_written_out import FIVE_STEPS
from minigpt.config import GPTConfig
from minigpt.training.randomness import generator


def _losses(subject):
    config = GPTConfig(vocab_size=12, block_size=16, n_layer=1, n_head=2, n_embd=8, dropout=0.3)
    model = subject.GPT(config, params=subject.initial_parameters(config, 1, np.float64))
    rng = np.random.default_rng(2)
    ids, targets = rng.integers(0, 12, (3, 7)), rng.integers(0, 12, (3, 7))
    targets[2, 1:] = -1
    return {
        "together": model.loss(ids, targets)[0],
        "apart": subject.mean_loss(model, iter([(ids[:2], targets[:2]), (ids[2:], targets[2:])])),
        "perplexity": subject.perplexity(math.log(50)),
        "endless": subject.perplexity(1000.0),
    }


def _accumulated(subject):
    """Compute the gradient of two small batches, and of one batch."""
    data = subject.load_task("reverse")
    seen = {}
    for n, size in ((1, 8), (2, 4)):
        settings = subject.TrainSettings(
            batch_size=size, grad_accumulation=n, grad_clip=0.0, max_iters=1
        )
        run = subject.new_run(
            "unused",
            _Fixed(data),
            {"block_size": 16, "n_layer": 1, "n_head": 2, "n_embd": 8},
            settings,
        )
        line = subject.train_step(run)
        seen[n] = line | {"m": run.optimizer.m["wte.weight"], "step": run.step}
    return seen


class _Fixed:
    """A data set whose batches are slices of one batch."""

    def __init__(self, data):
        self.tokenizer, self.expect_block = data.tokenizer, data.expect_block
        self.ids, self.targets = data.batch("train", np.random.default_rng(3), 8, 16)
        self.at = 0

    def batch(self, split, rng, batch_size, block_size):
        self.at += batch_size
        return self.ids[self.at - batch_size : self.at], self.targets[
            self.at - batch_size : self.at
        ]


class _Watched:
    """A data set that records the random generators it was given."""

    def __init__(self, data):
        self.data, self.tokenizer, self.expect_block = data, data.tokenizer, data.expect_block
        self.draws: list[float] = []
        self.splits: list[str] = []

    def batch(self, split, rng, batch_size, block_size):
        self.draws.append(float(rng.random()))
        self.splits.append(split)
        return self.data.batch(split, rng, batch_size, block_size)


def _steps(subject):
    """Run two steps of the trainer, and the same two written out.

    The second step is also run alone, as after a resume.
    """
    settings = subject.TrainSettings(
        batch_size=4,
        grad_accumulation=2,
        grad_clip=0.01,
        warmup_iters=5,
        max_iters=9,
        weight_decay=0.3,
    )
    model = {"block_size": 16, "n_layer": 1, "n_head": 2, "n_embd": 8, "dropout": 0.2}
    data, resumed_data = (_Watched(subject.load_task("reverse")) for _ in range(2))
    run, resumed = (
        subject.new_run("unused", data, model, settings),
        subject.new_run("unused", resumed_data, model, settings),
    )
    lines = [subject.train_step(run)]
    first_m = np.sqrt(sum(np.square(m).sum() for m in run.optimizer.m.values()))
    for name, value in run.model.params.items():  # a copy of the run after its first step
        resumed.model.params[name][...] = value
        resumed.optimizer.m[name][...], resumed.optimizer.v[name][...] = (
            run.optimizer.m[name],
            run.optimizer.v[name],
        )
    resumed.step = run.step
    lines.append(subject.train_step(run))
    subject.train_step(resumed)
    return {
        "lines": lines,
        "first m": first_m,
        "draws": data.draws,
        "resumed draws": resumed_data.draws,
        "params": run.model.params,
        "resumed": resumed.model.params,
    }


def _steps_lines(got) -> list[Line]:
    first, second = got["lines"]
    # it begins at 0 and is not decayed: each step changes a number by at most lr
    moved = got["params"]["ln_f.bias"]
    rates = [1e-3 * 1 / 6, 1e-3 * 2 / 6]
    return [
        equal(
            "learning rates of steps 0 and 1",
            np.array([first["lr"], second["lr"]]),
            rates,
            1e-12,
            1e-6,
        ),
        equal(
            "norm of m after a step clipped to 0.01",
            got["first m"],
            (1 - 0.9) * 0.01,
            1e-5,
            floor=1e-6,
        ),
        true(
            "batches drawn",
            len(set(got["draws"])) == 4,
            f"{len(set(got['draws']))} different ones",
            "4 different ones",
        ),
        equal(
            "batches of the second step after a resume",
            np.array(got["resumed draws"]),
            got["draws"][2:],
            0.0,
        ),
        *(
            equal(f"{name} after a resume", got["resumed"][name], value, 0.0)
            for name, value in got["params"].items()
        ),
        true(
            "ln_f.bias moved",
            0 < np.abs(moved).max() <= 1.01 * sum(rates),
            f"{np.abs(moved).max():.2e}",
            f"at most {sum(rates):.1e}",
        ),
    ]


def _evaluations(subject):
    """Check what evaluations ask of their data, and that they report it."""
    settings = subject.TrainSettings(batch_size=4, eval_batches=3, sample_length=0, max_iters=9)
    data = _Watched(subject.load_task("reverse"))
    run = subject.new_run(
        "unused", data, {"block_size": 16, "n_layer": 1, "n_head": 2, "n_embd": 8}, settings
    )
    losses = {split: subject.estimate_loss(run, split) for split in ("train", "val")}
    first, data.draws, data.splits = (data.draws, data.splits), [], []
    run.step = 5
    line = subject.evaluation(run)
    training = [float(generator(settings.seed, "batch", n).random()) for n in range(50)]
    whole: list[str] = []
    data.whole = lambda split, batch_size, block_size: (
        whole.append(split) or iter([data.data.batch(split, np.random.default_rng(0), 2, 16)])
    )
    for split in ("train", "val"):
        subject.whole_loss(run.model, data, split)
    return {
        "losses": losses,
        "line": line,
        "first": first,
        "second": (data.draws, data.splits),
        "training": training,
        "whole": whole,
    }


def _evaluation_lines(got) -> list[Line]:
    draws, splits = got["first"]
    return [
        true(
            "splits asked for",
            splits == 3 * ["train"] + 3 * ["val"],
            splits,
            "3 of train, 3 of val",
        ),
        true("batches of an evaluation", len(set(draws[:3])) == 3, draws[:3], "3 different ones"),
        true(
            "batches at a later step", got["second"] == got["first"], "the same or not", "the same"
        ),
        true(
            "batches of training among them",
            not set(draws) & set(got["training"]),
            "some or none",
            "none",
        ),
        equal("train loss reported", got["line"]["train_loss"], got["losses"]["train"], 0.0),
        equal("validation loss reported", got["line"]["val_loss"], got["losses"]["val"], 0.0),
        equal("step reported", got["line"]["step"], 5, 0.0),
        true(
            "whole splits asked for", got["whole"] == ["train", "val"], got["whole"], "train, val"
        ),
    ]


TRAINING = [
    Check(
        "train.steps",
        "training: batches differ from step to step; seed and step fix them, so that a resumed "
        "step is the same step",
        ("new_run", "train_step", "TrainSettings", "load_task"),
        inputs=lambda rng: {},
        call=_steps,
        judge=_steps_lines,
    ),
    FIVE_STEPS,
    Check(
        "train.evaluation",
        "evaluation: the same batches at every step, of the split that is asked for, none from "
        "training",
        ("new_run", "estimate_loss", "evaluation", "whole_loss", "TrainSettings", "load_task"),
        inputs=lambda rng: {},
        call=_evaluations,
        judge=_evaluation_lines,
    ),
    Check(
        "train.losses",
        "losses: the mean over batches counts targets, not batches; perplexity is e^nats",
        ("GPT", "initial_parameters", "mean_loss", "perplexity"),
        inputs=lambda rng: {},
        call=_losses,
        judge=lambda got: [
            equal("loss of two batches of different size", got["apart"], got["together"], 1e-12),
            equal("perplexity of ln 50", got["perplexity"], 50.0, 1e-12),
            equal("perplexity of 1000 nats", got["endless"], np.inf, 0.0),
        ],
    ),
    Check(
        "train.accumulation",
        "accumulation: two batches of 4 give the gradient of one batch of 8",
        ("new_run", "train_step", "TrainSettings", "load_task"),
        inputs=lambda rng: {},
        call=_accumulated,
        judge=lambda got: [
            equal("gradient norm", got[2]["grad_norm"], got[1]["grad_norm"], 1e-5),
            equal("AdamW's m", got[2]["m"], got[1]["m"], 1e-6, floor=1e-3),
            equal("loss", got[2]["loss"], got[1]["loss"], 1e-6),
            equal("step", got[2]["step"], 1, 0.0),
        ],
    ),
]
