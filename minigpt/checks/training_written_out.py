"""Check of five training steps against the formulas, written out."""

import numpy as np

from minigpt.checks.core import Check, Line, equal, true
from minigpt.training.randomness import generator

WRITTEN_OUT = {
    "batch_size": 3,
    "grad_accumulation": 2,
    "grad_clip": 0.5,
    "weight_decay": 0.3,
    "seed": 3,
}
WRITTEN_OUT |= {
    "learning_rate": 1e-2,
    "min_lr": 2e-3,
    "warmup_iters": 1,
    "lr_decay_iters": 4,
    "max_iters": 9,
}
RATES = [5e-3, 1e-2, 8e-3, 4e-3, 2e-3]  # of its first five steps, by pocket calculator


def _written_out(subject):
    """Run five steps of the trainer, and the same steps written out.

    Both in float64.
    """
    settings = subject.TrainSettings(**WRITTEN_OUT)
    shape = {
        "block_size": 16,
        "n_layer": 1,
        "n_head": 2,
        "n_embd": 8,
        "dropout": 0.2,
        "bias": False,
    }
    data = subject.load_task("reverse")
    run = subject.new_run("unused", data, shape, settings)
    start = subject.initial_parameters(run.model.config, 3)
    seeded = all(np.array_equal(start[name], value) for name, value in run.model.params.items())
    run.model.params = {name: value.astype(np.float64) for name, value in start.items()}
    run.optimizer = subject.adamw_init(run.model.params)
    lines = [subject.train_step(run) for _ in RATES]
    theta = {name: value.astype(np.float64) for name, value in start.items()}
    m, v = ({name: 0.0 for name in theta} for _ in range(2))
    losses, norms = [], []
    for step, lr in enumerate(RATES):
        loss, grads = _mean_gradient(subject, run.model.config, theta, data, step)
        norm = np.sqrt(sum(np.square(g).sum() for g in grads.values()))
        losses.append(loss)
        norms.append(norm)
        for name, g in grads.items():
            g = g * min(1.0, 0.5 / norm)
            m[name] = 0.9 * m[name] + 0.1 * g
            v[name] = 0.99 * v[name] + 0.01 * g**2
            mhat, vhat = m[name] / (1 - 0.9 ** (step + 1)), v[name] / (1 - 0.99 ** (step + 1))
            decay = 0.3 if theta[name].ndim == 2 else 0.0
            theta[name] = (
                theta[name] - lr * decay * theta[name] - lr * mhat / (np.sqrt(vhat) + 1e-8)
            )
    return {
        "lines": lines,
        "params": run.model.params,
        "theta": theta,
        "losses": losses,
        "norms": norms,
        "seeded": seeded,
    }


def _mean_gradient(subject, config, theta, data, step: int) -> tuple[float, dict]:
    """Return mean loss and gradients of the two batches of a step.

    Each batch draws its dropout from its own generator.
    """
    model = subject.GPT(config, params=theta)
    results = []
    for n in (2 * step, 2 * step + 1):
        ids, targets = data.batch("train", generator(3, "batch", n), 3, config.block_size)
        loss, cache = model.loss(ids, targets, generator(3, "dropout", n))
        results.append((float(loss), model.backward(cache)))
    (loss, grads), (other_loss, other_grads) = results
    return (loss + other_loss) / 2, {name: (grads[name] + other_grads[name]) / 2 for name in grads}


def _written_out_lines(got) -> list[Line]:
    lines = got["lines"]
    return [
        true("weights of the run's seed", got["seeded"], got["seeded"], "True"),
        equal("learning rates", np.array([line["lr"] for line in lines]), RATES, 1e-12, 1e-6),
        equal("losses", np.array([line["loss"] for line in lines]), got["losses"], 1e-9),
        equal(
            "gradient norms, before clipping",
            np.array([line["grad_norm"] for line in lines]),
            got["norms"],
            1e-9,
        ),
        *(
            equal(f"{name} after five steps", got["params"][name], value, 1e-9, 1e-3)
            for name, value in got["theta"].items()
        ),
    ]


FIVE_STEPS = Check(
    "train.written_out",
    "training: five steps, with dropout, accumulation, clipping, decay and schedule, equal "
    "the formulas written out",
    (
        "new_run",
        "train_step",
        "TrainSettings",
        "load_task",
        "GPT",
        "initial_parameters",
        "adamw_init",
    ),
    inputs=lambda rng: {},
    call=_written_out,
    judge=_written_out_lines,
)
