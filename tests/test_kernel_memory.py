"""Tests of the kernels' memory: the limit on free arrays.

The limit is in bytes, whatever the sizes.
"""

import numpy as np
import pytest

pytest.importorskip("numba")

from kernels import memory
from minigpt.config import GPTConfig
from minigpt.model import GPT

MB = 1_000_000


@pytest.fixture
def shelf(monkeypatch):
    """A separate shelf for each test."""
    fresh = memory._Shelf()
    memory._handed_back.clear()
    monkeypatch.setattr(memory, "_shelf", fresh)
    return fresh


def sizes_of(kind: str) -> list[int]:
    """Return sizes of arrays; each is dropped before the next."""
    rng = np.random.default_rng(0)
    return {
        "growing": list(range(1000, 200_000, 500)),
        "shrinking": list(range(200_000, 1000, -500)),
        "mixed": rng.integers(1, 200_000, 3000).tolist(),
        "many": [*range(1, 5000)] * 2,
        "one": [150_000] * 500,
        "none at all": [0] * 1000,
    }[kind]


@pytest.mark.parametrize("kind", ["growing", "shrinking", "mixed", "many", "one", "none at all"])
def test_what_is_kept_is_bounded(shelf, kind):
    sizes = sizes_of(kind)
    for n in sizes:
        memory.empty((n,))
        assert memory.bytes_kept() <= 2 * 4 * max(sizes)
    assert shelf.held == 0
    assert shelf.free == sum(4 * n * len(memories) for n, memories in shelf.by_size.items())


def test_many_held_at_once_are_all_kept_for_the_next_time(shelf):
    """All arrays that were used at once are kept.

    The second training step asks for the same arrays, and finds each one.
    """
    shapes = [(3, n) for n in range(1000, 1200)] * 2
    first = {memory.empty(shape).ctypes.data for shape in [*shapes]}
    held = [memory.empty(shape) for shape in shapes]
    places = {array.ctypes.data for array in held}
    del held
    again = [memory.empty(shape) for shape in shapes]
    assert {array.ctypes.data for array in again} == places
    assert first  # if dropped one by one, there were few


def test_memory_comes_back_in_any_order(shelf):
    rng = np.random.default_rng(1)
    held = [memory.empty((int(n),)) for n in rng.integers(1, 50_000, 200)]
    most = sum(array.nbytes for array in held)
    for i in rng.permutation(200):
        held[i] = memory.empty((int(rng.integers(1, 50_000)),))
        assert shelf.free + shelf.held <= 2 * shelf.most_held
    assert shelf.most_held >= most
    held.clear()
    assert memory.bytes_kept() <= 2 * shelf.most_held and shelf.held == 0


def test_a_text_that_grows_does_not_pile_up_memory(shelf):
    """A text that becomes longer does not use ever more memory.

    Each token makes every array a little longer. (When 64 arrays of each size were kept, this took
    13 times as much.)
    """
    model = GPT(
        GPTConfig(vocab_size=5000, block_size=64, n_layer=1, n_head=2, n_embd=8), ops="numba"
    )
    model.generate(np.zeros((1, 1), int), 63)
    logits = 64 * 5000 * 4
    assert memory.bytes_kept() <= 8 * logits
