"""What trains and writes: the optimizer, the schedule, the data, the loss over a split, and sampling."""

import math

import numpy as np

from minigpt.checks.core import Check, Line, equal, true
from minigpt.checks.golden_numbers import numbers
from minigpt.config import GPTConfig

# ---- AdamW, clipping, schedule


def _adamw_step(subject, theta, g, **options):
    params, grads = {"w": np.array(theta, dtype=float)}, {"w": np.array(g, dtype=float)}
    subject.adamw_step(params, grads, subject.adamw_init(params), 1, **options)
    return params["w"]


def _adamw_facts(subject):
    usual = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.01}
    return {
        "golden": _adamw_step(subject, [[1.0]], [[0.1]], **usual),
        "decay": _adamw_step(subject, [[1.0, -2.0]], [[0.0, 0.0]], **usual | {"lr": 0.1, "weight_decay": 0.5}),
        "vector": _adamw_step(subject, [1.0, -2.0], [0.0, 0.0], **usual | {"lr": 0.1, "weight_decay": 0.5}),
        "small": _adamw_step(subject, [[0.0]], [[1e-8]], **usual),
    }


def _adamw_torch(subject, arrays):
    params = {name: arrays[f"start/{name}"].copy() for name in ("matrix", "vector")}
    state = subject.adamw_init(params)
    outputs, untouched = {}, True
    for t in range(1, 6):
        grads = {name: arrays[f"grad/{t}/{name}"].copy() for name in params}
        clipped, _ = subject.clip_grad_norm(grads, 1.0)
        subject.adamw_step(params, clipped, state, t, 0.1 / t, 0.9, 0.99, 1e-8, 0.1)
        untouched &= all(np.array_equal(grads[name], arrays[f"grad/{t}/{name}"]) for name in grads)
        outputs |= {f"after/{t}/{name}": value.copy() for name, value in params.items()}
    single = {name: arrays[f"start/{name}"].astype(np.float32) for name in ("matrix", "vector")}
    subject.adamw_step(single, dict(single), subject.adamw_init(single), 1, 0.1, weight_decay=0.1)
    return outputs | {"untouched": untouched, "dtypes": {str(value.dtype) for value in single.values()}}


def _adamw_torch_lines(got, arrays) -> list[Line]:
    lines = [equal(f"adamw {name}", got[name], arrays[name], 1e-9) for name in arrays if name.startswith("after/")]
    lines.append(true("adamw leaves the gradients", got["untouched"], got["untouched"], "True"))
    return [*lines, true("adamw in float32", got["dtypes"] == {"float32"}, got["dtypes"], "float32")]


def _clip(subject):
    big = {"a": np.array([3.0]), "b": np.array([[4.0]])}
    small = {"a": np.array([0.3]), "b": np.array([[0.4]])}
    (clipped, norm), (kept, _), (unclipped, _) = (subject.clip_grad_norm(g, c) for g, c in ((big, 1.0), (small, 1.0), (big, 0.0)))
    return {
        "clipped": [clipped["a"][0], clipped["b"][0, 0]],
        "norm": norm,
        "kept": kept["a"],
        "big": big["a"],
        "off": unclipped["a"],
    }


def _schedule(subject):
    return {"rates": np.array([subject.learning_rate(step, 1e-3, 1e-4, 10, 110) for step in (0, 4, 9, 10, 60, 110, 500)])}


ADAMW = [
    Check(
        "adamw.golden",
        "AdamW: one step worked out by hand; decay is lr * wd, on matrices alone; eps is added after the root and the correction",
        ("adamw_init", "adamw_step"),
        inputs=lambda rng: {},
        call=_adamw_facts,
        judge=lambda got: [
            equal("adamw after one step", got["golden"], [[0.9989900000999999]], 1e-12),
            equal("adamw with no gradient: decay alone", got["decay"], [[0.95, -1.9]], 1e-12),
            equal("adamw with no gradient: a vector", got["vector"], [1.0, -2.0], 0.0),
            equal("adamw where |g| = eps", got["small"], [[-5e-4]], 1e-9, floor=1e-4),
        ],
    ),
    Check(
        "adamw.pytorch",
        "AdamW and clipping: five steps as in PyTorch",
        ("adamw_init", "adamw_step", "clip_grad_norm"),
        inputs=lambda rng: {"arrays": numbers("optim")},
        call=_adamw_torch,
        judge=_adamw_torch_lines,
    ),
    Check(
        "clip.golden",
        "clipping: one factor for all gradients; small ones stay; 0 turns it off",
        ("clip_grad_norm",),
        inputs=lambda rng: {},
        call=_clip,
        judge=lambda got: [
            equal("gradients 3 and 4 clipped to 1", np.array(got["clipped"]), [0.6, 0.8], 1e-12),
            equal("their norm", got["norm"], 5.0, 1e-12),
            equal("a gradient of norm 0.5", got["kept"], [0.3], 0.0),
            equal("the gradient that was handed in", got["big"], [3.0], 0.0),
            equal("clipping turned off", got["off"], [3.0], 0.0),
        ],
    ),
    Check(
        "schedule.golden",
        "schedule: above 0 at once, highest after the warm-up, half way down in the middle, min_lr from the end on",
        ("learning_rate",),
        inputs=lambda rng: {},
        call=_schedule,
        judge=lambda got: [
            equal(
                "rates at 0, 4, 9, 10, 60, 110, 500",
                got["rates"],
                [1e-3 / 11, 5e-3 / 11, 1e-2 / 11, 1e-3, 5.5e-4, 1e-4, 1e-4],
                1e-12,
                1e-6,
            )
        ],
    ),
]


# ---- data


def _text(subject):
    text = "".join(chr(ord("a") + i % 26) + chr(ord("A") + i // 26 % 26) for i in range(1000))
    data = subject.TextData("letters", text)
    rng = np.random.default_rng(4)
    ids, targets = data.batch("train", rng, 4000, 9)
    val_ids, val_targets = data.batch("val", rng, 4000, 9)
    whole = [row for _, targets in data.whole("val", 4, 9) for row in targets]
    return {
        "ids": ids,
        "targets": targets,
        "round trip": data.tokenizer.decode(data.tokenizer.encode(text)) == text,
        "train": data.tokens["train"],
        "val": data.tokens["val"],
        "val ids": val_ids,
        "val targets": val_targets,
        "covered": np.concatenate(whole),
        "text": data.tokenizer.encode(text),
    }


def _pieces(tokens, n: int) -> set[tuple]:
    return {tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)}


def _text_lines(got) -> list[Line]:
    both = np.concatenate([got["ids"], got["targets"][:, -1:]], axis=1)
    val_both = np.concatenate([got["val ids"], got["val targets"][:, -1:]], axis=1)
    drawn, val_drawn = set(map(tuple, both)), set(map(tuple, val_both))
    train, val = _pieces(got["train"], 10), _pieces(got["val"], 10)
    return [
        equal("targets are ids, one further", got["targets"][:, :-1], got["ids"][:, 1:], 0.0),
        true("training batches come from the training part", drawn <= train, f"{len(drawn - train)} do not", "all do"),
        true("validation batches come from the validation part", val_drawn <= val, f"{len(val_drawn - val)} do not", "all do"),
        true("every place of the validation part is drawn", val_drawn == val, f"{len(val - val_drawn)} never", "each sometimes"),
        equal("the two parts are the text", np.concatenate([got["train"], got["val"]]), got["text"], 0.0),
        equal("the first 90 % are for training", len(got["train"]), 1800, 0.0),
        equal("the whole split: every token a target once", got["covered"], got["val"][1:], 0.0),
        true("decode(encode(text))", got["round trip"], got["round trip"], "the text"),
    ]


def _tasks(subject):
    outputs = {}
    for name in ("reverse", "sort", "add"):
        data = subject.load_task(name)
        prompts = {split: data.examples(split, np.random.default_rng(6), 300) for split in ("train", "val")}
        texts = [
            data.tokenizer.decode(prompt) + data.tokenizer.decode(answer)
            for split in prompts
            for prompt, answer in zip(*prompts[split], strict=True)
        ]
        ids, targets = data.batch("train", np.random.default_rng(6), 4, 32)
        outputs[name] = {
            "texts": texts,
            "shared": {t for t in texts[:300]} & {t for t in texts[300:]},
            "ids": ids,
            "targets": targets,
        }
        outputs[name]["answers"] = prompts["train"][1][:4]
        outputs[name]["short"] = _overlap(subject)
    return outputs


def _overlap(subject) -> int:
    """How many prompts of two digits (there are but 100) training and validation share."""
    data = subject.load_task("reverse:2")
    seen = [set(map(tuple, data.examples(split, np.random.default_rng(1), 2000)[0])) for split in ("train", "val")]
    return len(seen[0] & seen[1])


def _solved(name: str, text: str) -> bool:
    prompt, answer = text.split("=")
    if name == "add":
        a, b = (int(part[::-1]) for part in prompt.split("+"))
        return int(answer[::-1]) == a + b and len(answer) == len(prompt) // 2 + 1
    return answer == (prompt[::-1] if name == "reverse" else "".join(sorted(prompt)))


def _task_lines(got) -> list[Line]:
    lines = []
    for name, facts in got.items():
        wrong = [text for text in facts["texts"] if not _solved(name, text)]
        n = facts["answers"].shape[1]
        lines += [
            true(f"{name}: answers that are wrong", not wrong, wrong[:1] or "none", "none"),
            true(f"{name}: prompts in both splits", facts["short"] == 0, facts["short"], "0"),
            equal(f"{name}: targets of the answer", facts["targets"][:, -n:], facts["answers"], 0.0),
            equal(f"{name}: targets of the prompt", facts["targets"][:, :-n], np.full_like(facts["targets"][:, :-n], -1), 0.0),
            equal(f"{name}: targets are ids, one further", facts["targets"][:, -n:-1], facts["ids"][:, -n + 1 :], 0.0),
        ]
    return lines


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
    for name, value in run.model.params.items():  # a copy of the run after its first step
        resumed.model.params[name][...] = value
        resumed.optimizer.m[name][...], resumed.optimizer.v[name][...] = run.optimizer.m[name], run.optimizer.v[name]
    resumed.step = run.step
    lines.append(subject.train_step(run))
    subject.train_step(resumed)
    return {
        "lines": lines,
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


DATA = [
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
        "data.text",
        "text: the target is the next token; training and validation do not share a token; a whole split is covered once",
        ("TextData",),
        inputs=lambda rng: {},
        call=_text,
        judge=_text_lines,
    ),
    Check(
        "data.tasks",
        "tasks: answers are right, only they count, validation's prompts never occur in training",
        ("load_task",),
        inputs=lambda rng: {},
        call=_tasks,
        judge=_task_lines,
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


# ---- sampling


def _filters(subject):
    def p(values, **options):
        return subject.probabilities(np.log(np.array([values])), **options)[0]

    return {
        "top_p": p([0.4, 0.3, 0.2, 0.1], top_p=0.8),
        "top_p small": p([0.1, 0.9], top_p=0.5),
        "top_k": p([0.1, 0.4, 0.2, 0.3], top_k=2),
        "top_k ties": p([0.25, 0.25, 0.25, 0.25], top_k=2),
        "temperature": p([0.7, 0.2, 0.1], temperature=0.5),
        "both": p([0.5, 0.3, 0.15, 0.05], top_k=2, top_p=0.6),
    }


def _filter_lines(got) -> list[Line]:
    squares = np.square([0.7, 0.2, 0.1])
    return [
        equal("top_p = 0.8 of .4 .3 .2 .1", got["top_p"], [4 / 9, 3 / 9, 2 / 9, 0], 1e-12),
        equal("top_p = 0.5 of .1 .9", got["top_p small"], [0, 1], 1e-12),
        equal("top_k = 2 of .1 .4 .2 .3", got["top_k"], [0, 4 / 7, 0, 3 / 7], 1e-12),
        equal("top_k = 2 of four equal ones", got["top_k ties"], [0.5, 0.5, 0, 0], 1e-12),
        equal("temperature 0.5 of .7 .2 .1", got["temperature"], squares / squares.sum(), 1e-12),
        equal("top_k = 2, then top_p = 0.6: 5/8 of what top_k left is enough", got["both"], [1, 0, 0, 0], 1e-12),
    ]


def _draws(subject):
    p = np.tile([0.5, 0.0, 0.3, 0.2], (20000, 1))
    drawn = subject.sample(p, np.random.default_rng(7))
    return {"frequency": np.bincount(drawn, minlength=4) / len(p)}


class _Counter:
    """A model that counts: after token n it expects n + 1. It shows what it was asked."""

    def __init__(self, block_size: int = 16):
        self.config = GPTConfig(vocab_size=12, block_size=block_size, n_layer=1, n_head=2, n_embd=8)
        self.seen: list[int] = []

    def forward(self, ids, rng=None):
        self.seen.append(ids.shape[1])
        if rng is not None:
            raise AssertionError("generation must not use dropout")
        return 9.0 * np.eye(12)[(ids + 1) % 12], None


def _generation(subject):
    model, short = _Counter(), _Counter(block_size=4)
    prompt = np.array([[3, 4], [7, 2]])
    sampled = [subject.generate(model, prompt, 6, do_sample=True, temperature=5.0, seed=seed) for seed in (1, 1, 2)]
    return {
        "greedy": subject.generate(model, prompt, 4),
        "short": subject.generate(short, prompt, 5),
        "longest": max(short.seen),
        "shortest": min(short.seen),
        "stopped": subject.generate(model, prompt, 9, eos_token_id=6),
        "same seed": np.array_equal(sampled[0], sampled[1]),
        "other seed": not np.array_equal(sampled[0], sampled[2]),
        "several": subject.generate(model, prompt, 2, do_sample=True, temperature=5.0, num_return_sequences=3, seed=3),
        "top_k 1": subject.generate(model, prompt, 4, do_sample=True, top_k=1),
    }


def _generation_lines(got) -> list[Line]:
    return [
        equal("greedy goes on counting", got["greedy"], [[3, 4, 5, 6, 7, 8], [7, 2, 3, 4, 5, 6]], 0.0),
        equal("a prompt that outgrows the block", got["short"], [[3, 4, 5, 6, 7, 8, 9], [7, 2, 3, 4, 5, 6, 7]], 0.0),
        equal("the longest context, block_size 4", got["longest"], 4, 0.0),
        equal("the shortest context", got["shortest"], 2, 0.0),
        equal("rows that end at token 6", got["stopped"], [[3, 4, 5, 6, 6, 6], [7, 2, 3, 4, 5, 6]], 0.0),
        true("the same seed, the same tokens", got["same seed"], got["same seed"], "True"),
        true("another seed, other tokens", got["other seed"], got["other seed"], "True"),
        equal("3 sequences of each of 2 prompts", got["several"][:, :2], [[3, 4]] * 3 + [[7, 2]] * 3, 0.0),
        true("they differ", len({tuple(row) for row in got["several"][:3].tolist()}) > 1, "all equal or not", "different ones"),
        equal("top_k = 1 is greedy", got["top_k 1"], got["greedy"], 0.0),
    ]


SAMPLING = [
    Check(
        "sampling.filters",
        "sampling: temperature on logits, exactly k, the smallest set that reaches p, in this order",
        ("probabilities",),
        inputs=lambda rng: {},
        call=_filters,
        judge=_filter_lines,
    ),
    Check(
        "sampling.draws",
        "sampling: tokens come as often as their probabilities say, and never where it is 0",
        ("sample",),
        inputs=lambda rng: {},
        call=_draws,
        judge=lambda got: [
            equal("frequencies of 20,000 draws", got["frequency"], [0.5, 0, 0.3, 0.2], 0.01),
            equal("a token of probability 0", got["frequency"][1], 0.0, 0.0),
        ],
    ),
    Check(
        "sampling.generate",
        "generation: goes on from the last position, sees block_size tokens at most, stops at eos, follows its seed",
        ("generate",),
        inputs=lambda rng: {},
        call=_generation,
        judge=_generation_lines,
    ),
]


def training_checks() -> list[Check]:
    """All of this file."""
    return ADAMW + DATA + SAMPLING
