"""Generated tasks that can be solved only with attention to earlier tokens.

    reverse   72615384=48351627       the digits backwards
    sort      72615384=12345678       the digits in order
    add       0472+0913=5831          the sum of two numbers, last digit first

With the last digit first, a carry goes to the next token. Only the tokens after "=" count in the
loss. A checksum of the digits decides whether a prompt belongs to training or to validation. So
training never has a prompt of the validation set.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from minigpt import expect
from minigpt.text.tokenizer import CharTokenizer

# in the order of code points, as in CharTokenizer: the id of digit d is d + 1
SYMBOLS = "+0123456789="
PLUS, EQUALS = -1, 10  # id = value + 1, as for the digits
Batch = tuple[np.ndarray, np.ndarray]  # two arrays with one row per example


class Task(NamedTuple):
    """A task: how digits (N, length) become prompts and answers."""

    about: str
    default_length: int
    # digits -> prompt, answer: ints (N, .)
    solve: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def _reverse(digits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return digits, digits[:, ::-1]


def _sort(digits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return digits, np.sort(digits, axis=1)


def _add(digits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The prompts a + b and the sums, last digit first.

    a and b are the two halves of the digits; the sum has one digit more than they.
    """
    n = digits.shape[1] // 2
    a, b = digits[:, :n], digits[:, n:]  # each (N, n)
    answer = np.zeros((len(digits), n + 1), dtype=digits.dtype)
    carry = np.zeros(len(digits), dtype=digits.dtype)
    for i in range(n):
        carry, answer[:, i] = np.divmod(a[:, i] + b[:, i] + carry, 10)
    answer[:, n] = carry
    plus = np.full((len(digits), 1), PLUS, dtype=digits.dtype)
    return np.concatenate([a, plus, b], axis=1), answer


TASKS = {
    "reverse": Task("digits backwards; reverse:12 for 12 of them", 8, _reverse),
    "sort": Task("digits in order; sort:12 for 12 of them", 8, _sort),
    "add": Task(
        "two numbers of two digits and their sum, last digit first; add:6 for three digits, in "
        "2500 steps",
        4,
        _add,
    ),
}


class TaskData:
    """An unlimited number of examples of a task, all of one length."""

    tokenizer = CharTokenizer(SYMBOLS)

    def __init__(self, name: str, length: int):
        self.name = name
        self.length = length
        self.task = TASKS[name.partition(":")[0]]
        self.fingerprint = f"{name} {length}"
        prompt, answer = self.examples("train", np.random.default_rng(0), 1)
        self.prompt_length = prompt.shape[1]  # with its "="
        self.sequence_length = prompt.shape[1] + answer.shape[1]

    def expect_block(self, block_size: int) -> None:
        """Raises ValueError if an example is longer than a block."""
        if block_size < self.sequence_length - 1:
            raise ValueError(
                f"data {self.name}: an example has {self.sequence_length} tokens, but block_size = "
                f"{block_size} holds only "
                f"{block_size + 1}: use a block_size of at least {self.sequence_length - 1}"
            )

    def examples(self, split: str, rng: np.random.Generator, n: int) -> Batch:
        """n prompts, each ending in "=", and their answers, as ids."""
        digits = np.empty((0, self.length), dtype=np.int64)
        while len(digits) < n:
            drawn = rng.integers(0, 10, (n, self.length))
            digits = np.concatenate([digits, drawn[is_held_out(drawn) == (split == "val")]])
        prompt, answer = self.task.solve(digits[:n])
        return np.concatenate([prompt, np.full((n, 1), EQUALS)], axis=1) + 1, answer + 1

    def batch(
        self, split: str, rng: np.random.Generator, batch_size: int, block_size: int
    ) -> Batch:
        """Examples as ids and targets, each (B, T).

        T is the length of an example - 1. Targets in the prompt are -1 (not counted).
        """
        expect.one_of("batch", "split", split, ("train", "val"))
        self.expect_block(block_size)
        prompt, answer = self.examples(split, rng, batch_size)
        sequence = np.concatenate([prompt, answer], axis=1)  # (B, T + 1)
        targets = sequence[:, 1:].copy()  # (B, T)
        # a prompt is random, so it cannot be predicted
        targets[:, : self.prompt_length - 1] = -1
        return sequence[:, :-1], targets

    def whole(self, split: str, batch_size: int, block_size: int) -> Iterator[Batch]:
        """Batches of 1000 examples, the same ones in every call."""
        rng = np.random.default_rng(0)
        for first in range(0, 1000, batch_size):
            yield self.batch(split, rng, min(batch_size, 1000 - first), block_size)


def is_held_out(digits: np.ndarray) -> np.ndarray:
    """Which rows of digits (N, length) are for validation, (N,) bool.

    A tenth of all prompts, chosen by a checksum.
    """
    weights = np.array([pow(31, place, 1009) for place in range(digits.shape[1])])  # (length,)
    return (digits @ weights) % 1009 % 10 == 0


def load_task(spec: str) -> TaskData:
    """A task by name, "reverse" or "reverse:12". Raises ValueError."""
    name, colon, length = spec.partition(":")
    expect.one_of("data", "task", name, tuple(TASKS))
    task = TASKS[name]
    if colon and not length.isdecimal():
        raise ValueError(
            f"data {spec}: the length is {length!r}, but must be a whole number, as in "
            f"{name}:{task.default_length}"
        )
    n = int(length) if colon else task.default_length
    if not 2 <= n <= 64 or (name == "add" and n % 2):
        even = ", and even: half the digits are the first number" if name == "add" else ""
        raise ValueError(f"data {spec}: the length is {n}, but must be in 2 .. 64{even}")
    return TaskData(spec, n)
