"""Generation: draw one token after another from the model's probabilities.

    p = softmax(logits / temperature)      temperature below 1: safer; above 1: wilder
    top_k                                  keep only the k most likely tokens
    top_p                                  keep only the smallest set of probability at least p

They are applied in this order; what is kept is scaled to sum to 1. The arguments have the names of
Hugging Face's `generate`.
Source: Fan, Lewis and Dauphin 2018, section 5.4 (top_k); Holtzman et al. 2020, section 3.1 (top_p,
"nucleus").
Left out: beam search; a cache of keys and values (it would change only next_logits).
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
    num_beams: int = 1,
    num_return_sequences: int = 1,
    **options,
) -> np.ndarray:
    """The prompts with new tokens, (B * num_return_sequences, T + new) ints.

    ids: (B, T) ints, T at least 1. Of a prompt longer than block_size, the model sees the end.
    do_sample, options: as in stream.
    num_return_sequences: how many continuations of each prompt; they are consecutive rows.
    Raises TypeError, ValueError, IndexError.
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
    for new in stream(model, ids, max_new_tokens, do_sample, **options):
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
    """Yield the new tokens one at a time, (B,) ints each.

    ids: (B, T) ints.
    do_sample: draw from the probabilities. Without it, take the most likely token (greedy); then
    temperature, top_k and top_p are ignored.
    eos_token_id: a row that has this token continues with nothing else. When all rows have it,
    generation ends.
    Raises TypeError, ValueError, IndexError.
    """
    ids = _expect_prompt(ids)
    expect.whole_number("generate", "max_new_tokens", max_new_tokens)
    if do_sample:
        _expect_options(temperature, top_k, top_p)
    rng = np.random.default_rng(seed)
    ended = np.zeros(len(ids), dtype=bool)  # (B,)
    for _ in range(max_new_tokens):
        logits = next_logits(model, ids)  # (B, V)
        if do_sample:
            new = sample(probabilities(logits, temperature, top_k, top_p), rng)  # (B,)
        else:
            new = logits.argmax(axis=-1)  # (B,)
        if eos_token_id is not None:
            new = np.where(ended, eos_token_id, new)
            ended |= new == eos_token_id
        yield new
        if ended.all():
            return
        ids = np.concatenate([ids, new[:, None]], axis=1)  # (B, T + 1)


def next_logits(model: GPT, ids: np.ndarray) -> np.ndarray:
    """The logits (B, V) of the token after ids (B, T).

    The whole forward pass is computed again for each token.
    Raises ValueError if they are not finite: the text of a broken model may look normal.
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
    """The probabilities (B, V) of logits (B, V), in float64.

    Tokens that top_k or top_p exclude have probability 0.
    """
    if not np.isfinite(logits).all():
        raise ValueError("probabilities: logits contain NaN or infinity, but must be finite")
    _expect_options(temperature, top_k, top_p)
    logits = logits.astype(np.float64)  # (B, V)
    # at most 0: a tiny temperature then gives -inf, not inf
    logits = logits - logits.max(axis=-1, keepdims=True)
    p, _ = softmax_forward(logits / temperature)  # (B, V)
    # (B, V), most likely first; equal ones by id
    order = np.argsort(-p, axis=-1, kind="stable")
    ranked = np.take_along_axis(p, order, axis=-1)  # (B, V)
    if top_k is not None:
        ranked[:, top_k:] = 0.0
        ranked /= ranked.sum(axis=-1, keepdims=True)
    if top_p is not None:
        # (B, V), the probability of all more likely tokens
        before = np.cumsum(ranked, axis=-1) - ranked
        ranked[before >= top_p] = 0.0  # the token that crosses p is kept: the set must reach p
        ranked /= ranked.sum(axis=-1, keepdims=True)
    kept = np.empty_like(p)
    np.put_along_axis(kept, order, ranked, axis=-1)
    return kept


def sample(p: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw ids (B,) from probabilities p (B, V).

    The id is the first whose cumulative probability exceeds a random number in [0, 1).
    """
    cumulative = np.cumsum(p, axis=-1)  # (B, V)
    # times the total, which may differ from 1 by rounding
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
