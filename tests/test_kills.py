"""Tests of runs that are killed: they resume with bit-identical results.

An uninterrupted run leaves a digest of its parameters and moments at every step. Another process
trains the same run with a checkpoint at every step, and is killed (SIGKILL). Its newest checkpoint
must have the digest of its step, and its log the lines up to there. It is resumed from that
checkpoint and killed again, until it reaches the end. So each kill is tested, and each resumed run
is tested by the next kill.
"""

import hashlib
import multiprocessing
import random
from pathlib import Path

import numpy as np
import pytest

from conftest import TEXT, TINY_MODEL
from minigpt.text.data import TextData
from minigpt.training.checkpoint import checkpoints, load_checkpoint
from minigpt.training.log import LOG, read_log
from minigpt.training.loop import train, train_step
from minigpt.training.run import Run, new_run, resume_run
from minigpt.training.settings import TrainSettings

STEPS = 40
KINDS = [("numpy", "adamw"), ("numpy", "muon"), ("numba", "adamw"), ("numba", "muon")]


def settings(optimizer: str) -> TrainSettings:
    every = {"eval_interval": 3, "eval_batches": 1, "checkpoint_interval": 1, "sample_length": 3}
    return TrainSettings(batch_size=4, max_iters=STEPS, optimizer=optimizer, **every)


def make(out: Path, ops: str, optimizer: str) -> Run:
    return new_run(
        out, TextData(str(out.parent / "text.txt"), TEXT), TINY_MODEL, settings(optimizer), ops
    )


def go_on(out: Path, ops: str, optimizer: str) -> None:
    """Train in the process that is killed."""
    train(resume_run(out) if checkpoints(out) else make(out, ops, optimizer), show=False)


def digest(params: dict, moments: tuple) -> str:
    total = hashlib.sha256()
    for arrays in (params, *moments):
        for name in sorted(arrays):
            total.update(np.ascontiguousarray(arrays[name]).tobytes())
    return total.hexdigest()


def uninterrupted(out: Path, ops: str, optimizer: str) -> tuple[list[str], list[dict]]:
    """Return an uninterrupted run's digest at each step, and its log."""
    run = make(out, ops, optimizer)
    digests = [digest(run.model.params, run.optimizer)]
    while run.step < STEPS:
        train_step(run)
        digests.append(digest(run.model.params, run.optimizer))
    go_on(out, ops, optimizer)
    return digests, read_log(out / LOG)


def looks_until(process: multiprocessing.Process, out: Path, step: int, looks: int) -> None:
    """Look at the run until it has a checkpoint of `step`.

    It then looks `looks` times more, so that the moment does not depend on a line of code.
    """
    while process.is_alive() and looks >= 0:
        there = checkpoints(out)
        looks -= bool(there) and int(there[-1].name[5:]) >= step


def kill_again_and_again(tmp_path: Path, ops: str, optimizer: str, kills: int, seed: int) -> None:
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    digests, log = uninterrupted(tmp_path / "whole", ops, optimizer)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["minigpt.training.loop", "minigpt.text.data", "conftest"])
    choose, killed, n = random.Random(seed), 0, 0
    out = tmp_path / "run-0"
    while killed < kills:
        process = context.Process(target=go_on, args=(out, ops, optimizer))
        process.start()
        here = int(checkpoints(out)[-1].name[5:]) if checkpoints(out) else 0
        looks_until(
            process, out, min(STEPS, here + choose.randrange(1, 5)), choose.randrange(0, 300)
        )
        process.kill()
        process.join()
        killed += process.exitcode != 0
        if checkpoints(out):
            saved = load_checkpoint(out)
            assert digest(saved.params, saved.optimizer) == digests[saved.step], (
                f"kill {killed}: step {saved.step}"
            )
            logged = [line for line in read_log(out / LOG) if line["step"] < saved.step]
            assert logged == [line for line in log if line["step"] < saved.step], f"kill {killed}"
        if process.exitcode == 0:  # it reached the end before it was killed
            assert read_log(out / LOG) == log
            n += 1
            out = tmp_path / f"run-{n}"


@pytest.mark.parametrize("ops, optimizer", KINDS[:2])
def test_ten_kills(tmp_path, ops, optimizer):
    kill_again_and_again(tmp_path, ops, optimizer, 10, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("ops, optimizer", KINDS)
def test_a_thousand_kills(tmp_path, ops, optimizer):
    """250 kills for each implementation and optimizer."""
    if ops == "numba":
        pytest.importorskip("numba")
    kill_again_and_again(tmp_path, ops, optimizer, 250, seed=2)
