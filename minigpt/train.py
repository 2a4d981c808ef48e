"""Training: batches in, gradients, a clipped step of AdamW, again; with evaluations, samples,
checkpoints and a log on the way.

    out/log.jsonl        one line per step: loss (nats), learning rate, gradient norm; one per evaluation: both losses, a sample
    out/loss.png         both curves, with the line ln V of a model that knows nothing
    out/step-000400/     the newest checkpoint (checkpoint.py)

Left out: several machines, mixed precision, early stopping.
"""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minigpt.checkpoint import (
    Checkpoint,
    checkpoints,
    drop,
    drop_older,
    load_checkpoint,
    save_checkpoint,
    step_of,
)
from minigpt.config import GPTConfig
from minigpt.data import TextData, load_data
from minigpt.files import parse_json, write_text
from minigpt.generate import generate
from minigpt.lock import locked
from minigpt.model import GPT
from minigpt.muon import muon_step
from minigpt.ops import NAMES, optimizer
from minigpt.optim import AdamWState, adamw_init, clip_scale, learning_rate
from minigpt.randomness import generator
from minigpt.settings import TrainSettings
from minigpt.stopping import Stop, Stopped, stops
from minigpt.tasks import TaskData

LOG = "log.jsonl"


@dataclass
class Run:
    """A training run: everything that changes while it trains is in model.params, optimizer and
    step.
    """

    out: Path
    model: GPT
    data: TextData | TaskData
    settings: TrainSettings
    optimizer: AdamWState
    step: int = 0  # how many steps have been made
    ops: str = "numpy"  # whose functions run: what --ops said


def new_run(
    out: str | Path,
    data: TextData | TaskData,
    model: dict,
    settings: TrainSettings,
    ops: object = "numpy",
) -> Run:
    """A run from step 0.

    model: the fields of GPTConfig but vocab_size, which the data's tokenizer gives.
    """
    config = GPTConfig(vocab_size=data.tokenizer.vocab_size, **model)
    data.expect_block(config.block_size)
    gpt = GPT(config, seed=settings.seed, ops=ops)
    return Run(Path(out), gpt, data, settings, adamw_init(gpt.params), ops=_ops_name(ops))


def _ops_name(ops: object) -> str:
    """What --ops would have to say: a learner's file by its whole path; a module that was handed
    over by its name.
    """
    if isinstance(ops, str | Path):
        return str(Path(ops).resolve()) if Path(ops).exists() else str(ops)
    name = getattr(ops, "__name__", type(ops).__name__)
    return {"minigpt.layers": "numpy", "minigpt.by_hand": "by_hand"}.get(name, name)


def resume_run(out: str | Path, ops: object = None) -> Run:
    """A run from its newest checkpoint. ops: None for those that it ran with, where they are ours.

    Raises ValueError if the data has changed, or if the run's functions are a file's: a file runs
    only when a person names it, not because a checkpoint does.
    """
    saved = load_checkpoint(out)
    if ops is None and saved.ops not in NAMES:
        raise ValueError(
            f"{out}: was trained with functions of {saved.ops}; name that file again (--ops), or another (numpy, numba)"
        )
    ops = saved.ops if ops is None else ops
    try:
        data = load_data(saved.data, saved.tokenizer)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"the text that {out} was trained on is gone; put it back ({error})"
        ) from None
    if data.fingerprint != saved.fingerprint:
        raise ValueError(
            f"data {saved.data}: has changed since {out} was begun; put it back, or begin a new run in another --out"
        )
    model = GPT(saved.config, ops=ops, params=saved.params)
    return Run(Path(out), model, data, saved.settings, saved.optimizer, saved.step, _ops_name(ops))


def train(run: Run, max_seconds: float | None = None, show: bool = True) -> bool:
    """Train to the end, to max_seconds, or to Ctrl-C or SIGTERM; save in each case.

    Returns whether the end was reached.

    Raises FloatingPointError if the loss is no longer finite; the last checkpoint of before stays.
    Raises ValueError if `out` holds a checkpoint of a later step, which is another run's;
    BlockingIOError if another process trains there.
    """
    begun = time.monotonic()
    # a loss that is not finite is an error of its own
    quiet = np.errstate(over="ignore", invalid="ignore")
    with locked(run.out), quiet, stops() as stop:
        if any(step_of(path) > run.step for path in checkpoints(run.out)):
            raise ValueError(
                f"{run.out}: holds a checkpoint of a later step than {run.step}; resume it, or train in another directory"
            )
        with _Log(run.out / LOG, run.step) as log, _progress(run, show) as bar:
            while True:
                late = max_seconds is not None and time.monotonic() - begun >= max_seconds
                done = _evaluated(run, stop, log, bar) and run.step >= run.settings.max_iters
                if done or late or stop.asked or run.step % run.settings.checkpoint_interval == 0:
                    save(run)
                if done or late or stop.asked:
                    drop_older(run.out, run.step)
                    return done
                _stepped(run, stop, log, bar)


def _evaluated(run: Run, stop: Stop, log: "_Log", bar: object) -> bool:
    """Evaluate and log it, if it is time to.

    Returns False if a stop came first: who resumes begins with this evaluation.
    """
    if run.step < run.settings.max_iters and run.step % run.settings.eval_interval:
        return True
    try:
        with stop.interruptible():
            line = evaluation(run)
    except Stopped:
        return False
    log.write(line)
    bar.write(_describe(line))
    return True


def _stepped(run: Run, stop: Stop, log: "_Log", bar: object) -> None:
    """One step, logged. If a stop comes before the weights have changed, there was no step."""
    before = time.monotonic()
    try:
        with stop.interruptible():
            loss, grads = gradients(run)
    except Stopped:
        return
    line = apply(run, loss, grads)
    # only now: the weights of that checkpoint are known to give a finite loss
    drop_older(run.out, run.step - 1)
    log.write(line)
    tokens = run.settings.batch_size * run.settings.grad_accumulation * run.model.config.block_size
    speed = tokens / (time.monotonic() - before)
    bar.set_postfix_str(f"loss {line['loss']:.3f}, {speed:,.0f} tokens/s", refresh=False)
    bar.update()


def train_step(run: Run) -> dict:
    """One step of the optimizer.

    Returns the log's line. Raises FloatingPointError if the loss is not finite.
    """
    return apply(run, *gradients(run))


def gradients(run: Run) -> tuple[float, dict[str, np.ndarray]]:
    """The loss and the gradients of a step, means over grad_accumulation batches.

    Nothing of the run changes.
    """
    s = run.settings
    losses, total = [], None
    for micro in range(s.grad_accumulation):
        n = run.step * s.grad_accumulation + micro  # the number of this batch in the whole run
        ids, targets = run.data.batch(
            "train", generator(s.seed, "batch", n), s.batch_size, run.model.config.block_size
        )
        loss, cache = run.model.loss(ids, targets, generator(s.seed, "dropout", n))
        # the mean over batches, not their sum
        grads = run.model.backward(cache, 1.0 / s.grad_accumulation)
        total = grads if total is None else {name: total[name] + g for name, g in grads.items()}
        losses.append(float(loss))
    return sum(losses) / len(losses), total


def apply(run: Run, loss: float, grads: dict[str, np.ndarray]) -> dict:
    """Make the step that these gradients ask for.

    Returns the log's line. Raises FloatingPointError if they are not finite.
    """
    s = run.settings
    norm = optimizer(run.model.ops).grad_norm(grads)
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise diverged(run, f"the loss is {loss} and the gradient's norm {norm}")
    lr = learning_rate(run.step, s.learning_rate, s.min_lr, s.warmup_iters, s.lr_decay_iters)
    update(run, grads, lr, clip_scale(norm, s.grad_clip))
    run.step += 1
    return {"step": run.step - 1, "loss": loss, "lr": lr, "grad_norm": norm}


def update(run: Run, grads: dict[str, np.ndarray], lr: float, scale: float) -> None:
    """The optimizer's step. scale: of the gradients, where they are clipped."""
    s, ops = run.settings, run.model.ops
    usual = {
        "beta1": s.beta1,
        "beta2": s.beta2,
        "eps": 1e-8,
        "weight_decay": s.weight_decay,
        "grad_scale": scale,
    }
    step = (run.model.params, grads, run.optimizer, run.step + 1, lr)
    if s.optimizer == "muon":
        muon_step(
            *step, s.muon_learning_rate * lr / s.learning_rate, s.muon_momentum, **usual, ops=ops
        )
    else:
        optimizer(ops).adamw_step(*step, **usual)


def diverged(run: Run, what: str) -> FloatingPointError:
    """The error of a run that cannot go on.

    Delete the diverged checkpoint if an earlier one exists.
    """
    saved = checkpoints(run.out)
    if len(saved) > 1 and step_of(saved[-1]) == run.step:
        drop(saved[-1])
    return FloatingPointError(
        f"{what} at step {run.step}: training has diverged. Begin again with a lower --learning-rate than "
        f"{run.settings.learning_rate}; the last good checkpoint is still in {run.out}"
    )


def evaluation(run: Run) -> dict:
    """Train and val loss, each on its own fixed batches, and a sample.

    Returns the log's line. Raises FloatingPointError.
    """
    s = run.settings
    line = {
        "step": run.step,
        "train_loss": estimate_loss(run, "train"),
        "val_loss": estimate_loss(run, "val"),
    }
    if not math.isfinite(line["train_loss"] + line["val_loss"]):
        raise diverged(run, f"the losses are {line['train_loss']} and {line['val_loss']}")
    if s.sample_length:
        line["sample"] = training_sample(run)
    return line


def estimate_loss(run: Run, split: str) -> float:
    """The mean loss in nats on eval_batches batches, the same ones at every step."""
    s = run.settings
    rngs = (generator(s.seed, "evaluation", i) for i in range(s.eval_batches))
    batches = (
        run.data.batch(split, rng, s.batch_size, run.model.config.block_size) for rng in rngs
    )
    return mean_loss(run.model, batches)


def whole_loss(model: GPT, data: TextData | TaskData, split: str, batch_size: int = 64) -> float:
    """The mean loss in nats over a whole split, every counted target once, in contexts of
    block_size that do not overlap.
    """
    return mean_loss(model, data.whole(split, batch_size, model.config.block_size))


def mean_loss(model: GPT, batches: Iterator[tuple[np.ndarray, np.ndarray]]) -> float:
    """The mean over all counted targets of some batches (not the mean of the batches' means: the
    last may be shorter).
    """
    total, counted = 0.0, 0
    for ids, targets in batches:
        n = int((targets != -1).sum())
        total += float(model.loss(ids, targets)[0]) * n
        counted += n
    return total / counted


def perplexity(loss: float) -> float:
    """Among how many equally likely tokens the model wavers: e^loss, the loss being in nats."""
    return math.exp(loss) if loss < 700 else math.inf


def byte_loss(loss: float, data: TextData | TaskData, split: str) -> float:
    """A loss in nats per token as nats per byte, which does not depend on how long the tokens are."""
    return loss / data.bytes_per_token(split)


def training_sample(run: Run) -> str:
    """What the model writes at this point, begun as the validation text begins, or a task's
    example.
    """
    rng = generator(run.settings.seed, "sample", run.step)
    seed = int(rng.integers(2**31))
    if isinstance(run.data, TaskData):
        prompt, answer = run.data.examples("val", rng, 1)
        ids = generate(run.model, prompt, answer.shape[1])
        right = (
            "right"
            if (ids[0, prompt.shape[1] :] == answer[0]).all()
            else f"wrong: {run.data.tokenizer.decode(answer[0])}"
        )
        return f"{run.data.tokenizer.decode(ids[0])}  {right}"
    prompt = run.data.tokens["val"][None, :1]
    ids = generate(
        run.model, prompt, run.settings.sample_length, do_sample=True, temperature=0.8, seed=seed
    )
    return run.data.tokenizer.decode(ids[0, 1:])


def save(run: Run) -> Path:
    """Write a checkpoint."""
    data, model = run.data, run.model
    checkpoint = Checkpoint(
        model.config,
        model.params,
        run.optimizer,
        run.step,
        run.settings,
        data.name,
        data.fingerprint,
        data.tokenizer,
        run.ops,
    )
    return save_checkpoint(run.out, model, checkpoint)


class _Log:
    """JSON lines.

    What an earlier process wrote at or after the step where this one begins is dropped: it will
    come again.
    """

    def __init__(self, path: Path, step: int):
        kept = [line for line in read_log(path) if line["step"] < step]
        write_text(path, "".join(json.dumps(line) + "\n" for line in kept))
        # nothing is held back, to fail once more at the end
        self.path, self.stream = path, path.open("ab", buffering=0)

    def write(self, line: dict) -> None:
        try:
            rest = json.dumps(line).encode() + b"\n"
            while rest:  # a disk that is nearly full takes a part
                rest = rest[self.stream.write(rest) :]
        except OSError as error:  # a full disk: say where
            raise OSError(error.errno, error.strerror, str(self.path)) from error

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stream.close()


def read_log(path: Path) -> list[dict]:
    """The lines of a log; a last line that a kill cut off is left out.

    Raises ValueError with the file and line.
    """
    lines = []
    content = path.read_bytes() if path.exists() else b""
    whole = content.split(b"\n")[:-1]  # what follows the last line end is empty, or cut off
    for number, line in enumerate(whole, start=1):
        try:
            lines.append(parse_json(line.decode("utf-8")))
            if type(lines[-1]["step"]) is not int:
                raise TypeError("step must be a whole number")
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path}, line {number}: not a line of a log ({error}); delete the line"
            ) from None
    return lines


def _progress(run: Run, show: bool):
    """A bar with the time left; none where the output is no terminal, or show is False.

    Its write() works all the same.
    """
    from tqdm import tqdm

    off = None if show else True  # None: off where stderr is no terminal
    return tqdm(
        total=run.settings.max_iters,
        initial=run.step,
        unit=" step",
        ascii=" #",
        dynamic_ncols=True,
        disable=off,
    )


def _describe(line: dict) -> str:
    text = (
        f"step {line['step']:5d}  train {line['train_loss']:.4f}  val {line['val_loss']:.4f} nats"
    )
    return text if "sample" not in line else f"{text}  | {ascii(line['sample'])[1:-1]}"
