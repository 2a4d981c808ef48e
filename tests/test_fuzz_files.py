"""Tests of randomly damaged files: every load ends soon.

An error names the file.
It needs little memory.

A directory with digests never loads if a byte of it has changed. One without digests may load, but
then the result is well-formed.
"""

import json
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from conftest import TEXT, TINY_MODEL, TINY_TRAIN
from minigpt.parameters import parameter_shapes
from minigpt.text.data import TextData
from minigpt.text.tokenizer import BPETokenizer, CharTokenizer, load_tokenizer, train_bpe
from minigpt.training.checkpoint import Checkpoint, load_checkpoint, open_model
from minigpt.training.log import read_log
from minigpt.training.loop import train_step
from minigpt.training.run import new_run, save
from minigpt.training.settings import TrainSettings

SECONDS, GIGABYTE = 5, 2**30
REFUSALS = (ValueError, OSError, TypeError)  # FileNotFoundError is an OSError
HUGE = b"[" * 100_000
VALUES = [0, -1, 1, 2, 10**9, 10**18, 10**40, 0.5, -0.5, 1e300, "1", "", None, True, [], {}, [1]]


class Subject(NamedTuple):
    """A directory, how it is loaded, and whether its digests are there."""

    directory: Path
    load: Callable[[Path], object]
    has_digests: bool = False


# ---- the damage


def change_bytes(content: bytes, rng: random.Random) -> bytes:
    """Flip up to eight bits."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 8)):
        changed[rng.randrange(min(len(changed), rng.choice([8, 400, 10**9])))] ^= (
            1 << rng.randrange(8)
        )
    return bytes(changed)


def cut_off(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def insert(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content) + 1)
    more = rng.choice(
        [rng.randbytes(rng.randint(1, 40)), HUGE, b"\n", b"NaN", b"9" * 5000, bytes(64)]
    )
    return content[:at] + more + content[at:]


def zero_half(content: bytes, rng: random.Random) -> bytes:
    half = len(content) // 2
    return rng.choice([bytes(half) + content[half:], content[:half] + bytes(len(content) - half)])


def double_line(content: bytes, rng: random.Random) -> bytes:
    lines = content.split(b"\n")
    at = rng.randrange(len(lines))
    return b"\n".join(lines[: at + 1] + lines[at:])


def drop_lines(content: bytes, rng: random.Random) -> bytes:
    lines = content.split(b"\n")
    at = rng.randrange(len(lines))
    return b"\n".join(lines[:at] + lines[at + rng.randint(1, 5) :])


def change_json(content: bytes, rng: random.Random) -> bytes:
    """Replace or drop a value, or repeat a key.

    The header of a tensor file is JSON too.
    """
    begin = 8 if content[:1] != b"{" else 0
    end = 8 + int.from_bytes(content[:8], "little") if begin else len(content)
    try:
        value = json.loads(content[begin:end])
    except ValueError:  # merges.txt
        return change_bytes(content, rng)
    place = value
    while True:
        key = rng.choice(list(place) if isinstance(place, dict) else range(len(place)))
        if not (isinstance(place[key], dict | list) and place[key] and rng.random() < 0.8):
            break
        place = place[key]
    twice = rng.random() < 0.2 and isinstance(place, dict)
    if twice:
        place["\0"] = place[key]
    elif rng.random() < 0.3:
        del place[key]
    else:
        place[key] = rng.choice(VALUES)
    text = json.dumps(value)
    text = text.replace(json.dumps("\0"), json.dumps(key)) if twice else text
    header = text.encode()
    return (len(header).to_bytes(8, "little") if begin else b"") + header + content[end:]


DAMAGE = [change_bytes, cut_off, insert, zero_half, double_line, drop_lines]
DAMAGE += [change_json, change_json]


# ---- the subjects


def checkpoint(folder: Path, tokenizer: Callable[[str], object]) -> Path:
    """Save a run of one step."""
    data = TextData(str(folder / "text.txt"), TEXT, tokenizer)
    run = new_run(folder, data, TINY_MODEL, TrainSettings(**TINY_TRAIN))
    train_step(run)
    return save(run)


def without_digests(directory: Path, copy: Path) -> Path:
    shutil.copytree(directory, copy)
    (copy / "sha256.json").unlink()
    return copy


def log_of(folder: Path) -> list[dict]:
    return read_log(folder / "log.jsonl")


@pytest.fixture(scope="module")
def subjects(tmp_path_factory) -> list[Subject]:
    folder = tmp_path_factory.mktemp("fuzz")
    found = []
    for name, tokenizer in (("char", CharTokenizer), ("bpe", lambda text: train_bpe(text, 280))):
        whole = checkpoint(folder / name, tokenizer)
        bare = without_digests(whole, folder / f"{name}-bare" / whole.name)
        found += [Subject(whole, load_checkpoint, True), Subject(whole, open_model, True)]
        found += [Subject(bare, load_checkpoint), Subject(bare, open_model)]
        (folder / f"{name}-tokenizer").mkdir()
        load_tokenizer(whole).save(folder / f"{name}-tokenizer")
        found.append(Subject(folder / f"{name}-tokenizer", load_tokenizer))
    (folder / "log").mkdir()
    lines = [{"step": step, "loss": 1.5 / (step + 1), "lr": 1e-3} for step in range(20)]
    (folder / "log" / "log.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8"
    )
    return [*found, Subject(folder / "log", log_of)]


# ---- what must hold


@contextmanager
def time_limit():
    """Raise TimeoutError in a load that does not end.

    It works only on systems that have the signal.
    """

    def stop(number, frame):
        raise AssertionError(f"the load took more than {SECONDS} seconds")

    if not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def peak_memory() -> int:
    """Return the most memory that this process had, in bytes.

    It is 0 if the system does not tell.
    """
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def expect_well_formed(loaded: object) -> None:
    """Check that what was loaded from damaged files can be used."""
    if isinstance(loaded, Checkpoint):
        shapes = parameter_shapes(loaded.config)
        for arrays in (loaded.params, *loaded.optimizer):
            assert {name: array.shape for name, array in arrays.items()} == shapes
            assert all(array.dtype == np.float32 for array in arrays.values())
        assert all(np.isfinite(v).all() and (v >= 0).all() for v in loaded.optimizer.v.values())
        assert loaded.step == 1
    elif isinstance(loaded, tuple):
        _, model, tokenizer = loaded
        assert tokenizer.vocab_size == model.config.vocab_size
        assert all(array.dtype == np.float32 for array in model.params.values())
    elif isinstance(loaded, CharTokenizer | BPETokenizer):
        assert loaded.decode(range(loaded.vocab_size)) is not None
        if isinstance(loaded, BPETokenizer):
            assert loaded.vocab_size == 256 + len(loaded.merges) + len(loaded.special_tokens) == 280
    else:
        assert all(type(line["step"]) is int for line in loaded)


def same_json(a: bytes, b: bytes) -> bool:
    try:
        return json.loads(a) == json.loads(b)
    except (ValueError, RecursionError):
        return False


def damage_and_load(subject: Subject, rng: random.Random) -> bool:
    """Damage one file, load, and repair it.

    Returns whether the load was refused.
    """
    path = rng.choice(sorted(path for path in subject.directory.iterdir()))
    content = path.read_bytes()
    how = rng.choice(DAMAGE)
    damaged = how(content, rng)
    what = f"{how.__name__} in {path.name}, {subject.load.__name__}"
    path.write_bytes(damaged)
    before = time.monotonic()
    try:
        with time_limit():
            loaded = subject.load(subject.directory)
    except REFUSALS as error:
        named = path.name in str(error) or "its tokenizer has" in str(
            error
        )  # two files do not fit together
        assert named, f"{what}: the error does not name the file: {error!r}"
        assert len(str(error).splitlines()) == 1, f"{what}: {error}"
        return True
    finally:
        path.write_bytes(content)
    assert time.monotonic() - before < SECONDS, what
    harmless = damaged == content or (path.name == "sha256.json" and same_json(damaged, content))
    assert harmless or not subject.has_digests, f"{what}: loaded in silence"
    expect_well_formed(loaded)
    return False


def fuzz(subjects: list[Subject], n: int, seed: int) -> None:
    rng = random.Random(seed)
    before = peak_memory()
    refused = sum(damage_and_load(rng.choice(subjects), rng) for _ in range(n))
    assert peak_memory() - before < GIGABYTE
    assert refused > 0.6 * n  # most damage is noticed
    for subject in subjects:
        expect_well_formed(subject.load(subject.directory))  # all files are repaired


def test_three_hundred_damaged_files(subjects):
    fuzz(subjects, 300, seed=1)


@pytest.mark.slow
def test_ten_thousand_damaged_files(subjects):
    fuzz(subjects, 10_000, seed=2)
