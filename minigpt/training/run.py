"""A training run: begin, save, resume from the newest checkpoint."""

from dataclasses import dataclass
from pathlib import Path

from minigpt.config import GPTConfig
from minigpt.model import GPT
from minigpt.ops import NAMES
from minigpt.optim import AdamWState, adamw_init
from minigpt.text.data import TextData, load_data
from minigpt.text.synthetic import TaskData
from minigpt.training.checkpoint import (
    Checkpoint,
    checkpoints,
    drop,
    load_checkpoint,
    save_checkpoint,
    step_of,
)
from minigpt.training.settings import TrainSettings


@dataclass
class Run:
    """A training run.

    Training changes only model.params, optimizer and step.
    """

    out: Path
    model: GPT
    data: TextData | TaskData
    settings: TrainSettings
    optimizer: AdamWState
    step: int = 0  # how many steps have been made
    ops_name: str = "numpy"  # the argument of --ops


def new_run(
    out: str | Path,
    data: TextData | TaskData,
    model: dict,
    settings: TrainSettings,
    ops: object = "numpy",
) -> Run:
    """A run from step 0.

    model: the fields of GPTConfig without vocab_size, which comes from the data's tokenizer.
    """
    config = GPTConfig(vocab_size=data.tokenizer.vocab_size, **model)
    data.expect_block(config.block_size)
    gpt = GPT(config, seed=settings.seed, ops=ops)
    return Run(Path(out), gpt, data, settings, adamw_init(gpt.params), ops_name=_ops_name(ops))


def _ops_name(ops: object) -> str:
    """The argument of --ops for these functions.

    A file's absolute path, or a module's name.
    """
    if isinstance(ops, str | Path):
        return str(Path(ops).resolve()) if Path(ops).exists() else str(ops)
    name = getattr(ops, "__name__", type(ops).__name__)
    return {"minigpt.layers": "numpy", "minigpt.by_hand": "by_hand"}.get(name, name)


def resume_run(out: str | Path, ops: object = None) -> Run:
    """A run from its newest checkpoint.

    ops: None for the run's functions, if they are minigpt's. A learner's file must be named again:
    a file is not run only because a checkpoint names it.
    Raises ValueError if the file is not named or if the data has changed; FileNotFoundError.
    """
    saved = load_checkpoint(out)
    if ops is None and saved.ops not in NAMES:
        raise ValueError(
            f"{out}: was trained with functions of {saved.ops}; name that file again (--ops), or "
            "another (numpy, numba)"
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
            f"data {saved.data}: has changed since {out} was begun; put it back, or begin a new "
            "run in another --out"
        )
    model = GPT(saved.config, ops=ops, params=saved.params)
    return Run(Path(out), model, data, saved.settings, saved.optimizer, saved.step, _ops_name(ops))


def save(run: Run) -> Path:
    """Write a checkpoint; return its directory."""
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
        run.ops_name,
    )
    return save_checkpoint(run.out, checkpoint)


def diverged(run: Run, what: str) -> FloatingPointError:
    """The error of a run that cannot continue.

    Deletes the diverged checkpoint if an earlier one exists.
    """
    saved = checkpoints(run.out)
    if len(saved) > 1 and step_of(saved[-1]) == run.step:
        drop(saved[-1])
    return FloatingPointError(
        f"{what} at step {run.step}: training has diverged. Begin again with a lower "
        "--learning-rate than "
        f"{run.settings.learning_rate}; the last good checkpoint is still in {run.out}"
    )
