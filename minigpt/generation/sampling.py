"""Generation: the model's next-token probabilities, reshaped and drawn from, one token after
another.

    p = softmax(logits / temperature)                          below 1: safer; above 1: wilder
    top_k: only the k most likely tokens                         Fan, Lewis and Dauphin 2018, section 5.4
    top_p: only the smallest set whose probabilities reach p   Holtzman et al. 2020, section 3.1 ("nucleus")

in this order, the rest scaled up to sum to 1. Names of the arguments: Hugging Face's `generate`.
Left out: beam search, and the cache of keys and values, for which next_logits() is the one place to
change.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from minigpt import expect
from minigpt.layers.softmax import softmax_forward

if TYPE_CHECKING:
    from minigpt.model import GPT


def generate(
    model: GPT,
    ids: np.ndarray,
    max_new_tokens: int,
    do_sample: bool = False,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    num_beams: int = 1,
    num_return_sequences: int = 1,
    eos_token_id: int | None = None,
    seed: int = 0,
) -> np.ndarray:
    """The prompt and what follows it.

    ids: (B, T) ints, T at least 1; of a prompt longer than block_size, the model sees the end.
    do_sample: draw from the probabilities; without, always the most likely token (greedy), and the
    next three do not matter.
    num_return_sequences: how many continuations of each prompt, one after the other. eos_token_id:
    a row that produced it goes on with nothing else, and when all have, generation ends.
    Returns (B * num_return_sequences, T + new) ints. Raises TypeError, ValueError, IndexError.
    """
    if num_beams != 1:
        raise NotImplementedError(
            f"generate: num_beams is {num_beams}, but must be 1: beam search is not there yet"
        )
    expect.whole_number("generate", "num_return_sequences", num_return_sequences)
    if num_return_sequences > 1 and not do_sample:
        raise ValueError(
            f"generate: num_return_sequences is {num_return_sequences}, but greedy sequences are "
            "all the same"
        )
    ids = np.repeat(_expect_prompt(ids), num_return_sequences, axis=0)  # (B * n, T)
    for new in stream(
        model, ids, max_new_tokens, do_sample, temperature, top_k, top_p, eos_token_id, seed
    ):
        ids = np.concatenate([ids, new[:, None]], axis=1)  # (B * n, T + 1)
    return ids


def stream(
    model: GPT,
    ids: np.ndarray,
    max_new_tokens: int,
    do_sample: bool = False,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    eos_token_id: int | None = None,
    seed: int = 0,
) -> Iterator[np.ndarray]:
    """The new tokens one at a time, (B,) ints each, as soon as they are known.

    Arguments as in generate.
    """
    ids = _expect_prompt(ids)
    expect.whole_number("generate", "max_new_tokens", max_new_tokens)
    if do_sample:
        _expect_options(temperature, top_k, top_p)
    rng = np.random.default_rng(seed)
    ended = np.zeros(len(ids), dtype=bool)  # (B,)
    for _ in range(max_new_tokens):
        logits = next_logits(model, ids)  # (B, V)
        new = (
            sample(probabilities(logits, temperature, top_k, top_p), rng)
            if do_sample
            else logits.argmax(axis=-1)
        )  # (B,)
        if eos_token_id is not None:
            new = np.where(ended, eos_token_id, new)
            ended |= new == eos_token_id
        yield new
        if ended.all():
            return
        ids = np.concatenate([ids, new[:, None]], axis=1)  # (B, T + 1)


def next_logits(model: GPT, ids: np.ndarray) -> np.ndarray:
    """(B, T) ints -> (B, V), the logits of the token after the last.

    Everything is computed again for each token.

    Raises ValueError if they are not finite: a broken model would otherwise write nonsense that
    looks like text.
    """
    logits, _ = model.forward(ids[:, -model.config.block_size :])  # (B, T, V)
    last = logits[:, -1]  # (B, V)
    if not np.isfinite(last).all():
        raise ValueError(
            "generate: the model's logits contain NaN or infinity; its weights are broken, load "
            "another checkpoint"
        )
    return last


def probabilities(
    logits: np.ndarray,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> np.ndarray:
    """(B, V) logits -> (B, V) probabilities in float64, 0 where top_k or top_p cut."""
    if not np.isfinite(logits).all():
        raise ValueError("probabilities: logits contain NaN or infinity, but must be finite")
    _expect_options(temperature, top_k, top_p)
    logits = logits.astype(np.float64)  # (B, V)
    # at most 0: divided by a tiny temperature, -inf and not inf
    logits = logits - logits.max(axis=-1, keepdims=True)
    p, _ = softmax_forward(logits / temperature)  # (B, V)
    # (B, V), most likely first; of equals, the lower id
    order = np.argsort(-p, axis=-1, kind="stable")
    ranked = np.take_along_axis(p, order, axis=-1)  # (B, V)
    if top_k is not None:
        ranked[:, top_k:] = 0.0
        ranked /= ranked.sum(axis=-1, keepdims=True)
    if top_p is not None:
        # (B, V), the probability of all more likely tokens
        before = np.cumsum(ranked, axis=-1) - ranked
        ranked[before >= top_p] = 0.0  # the token that crosses p is in: the set has to reach it
        ranked /= ranked.sum(axis=-1, keepdims=True)
    kept = np.empty_like(p)
    np.put_along_axis(kept, order, ranked, axis=-1)
    return kept


def sample(p: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(B, V) probabilities -> (B,) ids: the first whose cumulative probability exceeds a random
    number in [0, 1).
    """
    cumulative = np.cumsum(p, axis=-1)  # (B, V)
    # times the total, which rounding may leave a little off 1
    u = rng.random((len(p), 1)) * cumulative[:, -1:]
    return (cumulative > u).argmax(axis=-1)


def _expect_prompt(ids: np.ndarray) -> np.ndarray:
    ids = np.asarray(ids)
    expect.rank("generate", "ids", ids, "B T")
    if ids.size == 0:
        raise ValueError(
            f"generate: ids has shape {ids.shape}, but must have at least one token to go on from"
        )
    expect.integers("generate", ids=ids)
    return ids.astype(np.int64)


def _expect_options(temperature: float, top_k: int | None, top_p: float | None) -> None:
    if not (temperature > 0 and np.isfinite(temperature)):
        raise ValueError(
            f"generate: temperature is {temperature}, but must be above 0 (for the most likely "
            "token, do not sample)"
        )
    if top_k is not None:
        expect.whole_number("generate", "top_k", top_k)
    if top_p is not None and not 0.0 < top_p <= 1.0:
        raise ValueError(f"generate: top_p is {top_p}, but must be above 0 and at most 1")
