"""The trainer: its losses, its batches, its steps."""

import math

import numpy as np

from minigpt.checks.core import Check, Line, equal, true
from minigpt.config import GPTConfig


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
    }


def _accumulated(subject):
    """The gradient that two small batches give together, and that of the one they make up."""
    data = subject.load_task("reverse")
    seen = {}
    for n, size in ((1, 8), (2, 4)):
        settings = subject.TrainSettings(batch_size=size, grad_accumulation=n, grad_clip=0.0, max_iters=1)
        run = subject.new_run("unused", _Fixed(data), {"block_size": 16, "n_layer": 1, "n_head": 2, "n_embd": 8}, settings)
        line = subject.train_step(run)
        seen[n] = line | {"m": run.optimizer.m["wte.weight"], "step": run.step}
    return seen


class _Fixed:
    """A data set whose batches are the pieces of one batch of 8, in order."""

    def __init__(self, data):
        self.tokenizer, self.expect_block = data.tokenizer, data.expect_block
        self.ids, self.targets = data.batch("train", np.random.default_rng(3), 8, 16)
        self.at = 0

    def batch(self, split, rng, batch_size, block_size):
        self.at += batch_size
        return self.ids[self.at - batch_size : self.at], self.targets[self.at - batch_size : self.at]


class _Watched:
    """A data set that remembers the random numbers it was handed."""

    def __init__(self, data):
        self.data, self.tokenizer, self.expect_block = data, data.tokenizer, data.expect_block
        self.draws: list[float] = []

    def batch(self, split, rng, batch_size, block_size):
        self.draws.append(float(rng.random()))
        return self.data.batch(split, rng, batch_size, block_size)


def _steps(subject):
    """Two steps of the trainer; the same two written out; and the second one alone, as after a resume."""
    settings = subject.TrainSettings(
        batch_size=4, grad_accumulation=2, grad_clip=0.01, warmup_iters=5, max_iters=9, weight_decay=0.3
    )
    model = {"block_size": 16, "n_layer": 1, "n_head": 2, "n_embd": 8, "dropout": 0.2}
    data, resumed_data = (_Watched(subject.load_task("reverse")) for _ in range(2))
    run, resumed = subject.new_run("unused", data, model, settings), subject.new_run("unused", resumed_data, model, settings)
    lines = [subject.train_step(run)]
    first_m = np.sqrt(sum(np.square(m).sum() for m in run.optimizer.m.values()))
    for name, value in run.model.params.items():  # a copy of the run after its first step
        resumed.model.params[name][...] = value
        resumed.optimizer.m[name][...], resumed.optimizer.v[name][...] = run.optimizer.m[name], run.optimizer.v[name]
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
    moved = got["params"]["ln_f.bias"]  # begins at 0 and is not decayed: each step moves a number by at most lr
    rates = [1e-3 * 1 / 6, 1e-3 * 2 / 6]
    return [
        equal("learning rates of steps 0 and 1", np.array([first["lr"], second["lr"]]), rates, 1e-12, 1e-6),
        equal("norm of m after a step clipped to 0.01", got["first m"], (1 - 0.9) * 0.01, 1e-5, floor=1e-6),
        true("batches drawn", len(set(got["draws"])) == 4, f"{len(set(got['draws']))} different ones", "4 different ones"),
        equal("batches of the second step after a resume", np.array(got["resumed draws"]), got["draws"][2:], 0.0),
        *(equal(f"{name} after a resume", got["resumed"][name], value, 0.0) for name, value in got["params"].items()),
        true(
            "ln_f.bias moved",
            0 < np.abs(moved).max() <= 1.01 * sum(rates),
            f"{np.abs(moved).max():.2e}",
            f"at most {sum(rates):.1e}",
        ),
    ]


def _third_step(subject):
    """Three steps of the trainer without clipping or decay, and where AdamW's formula puts wte in the third."""
    settings = subject.TrainSettings(batch_size=4, grad_clip=0.0, warmup_iters=5, max_iters=9, weight_decay=0.0)
    model = {"block_size": 16, "n_layer": 1, "n_head": 2, "n_embd": 8}
    run = subject.new_run("unused", subject.load_task("reverse"), model, settings)
    for _ in range(2):
        subject.train_step(run)
    before = run.model.params["wte.weight"].astype(np.float64).copy()
    subject.train_step(run)
    m, v = run.optimizer.m["wte.weight"].astype(np.float64), run.optimizer.v["wte.weight"].astype(np.float64)
    lr = subject.learning_rate(2, 1e-3, 1e-4, 5, 9)
    wanted = before - lr * (m / (1 - 0.9**3)) / (np.sqrt(v / (1 - 0.99**3)) + 1e-8)
    return {"got": run.model.params["wte.weight"], "wanted": wanted}


TRAINING = [
    Check(
        "train.steps",
        "training: each batch is another one, fixed by seed and step, so that a resumed step is the same step",
        ("new_run", "train_step", "TrainSettings", "load_task"),
        inputs=lambda rng: {},
        call=_steps,
        judge=_steps_lines,
    ),
    Check(
        "train.third_step",
        "training: the third step is AdamW's with t = 3",
        ("new_run", "train_step", "TrainSettings", "load_task", "learning_rate"),
        inputs=lambda rng: {},
        call=_third_step,
        judge=lambda got: [equal("wte after the third step", got["got"], got["wanted"], 1e-6, floor=1e-2)],
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
