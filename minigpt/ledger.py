"""What a model costs: parameters, bytes of activations, FLOPs.

Parameters are counted from the shapes. Activations are the arrays that the reference's caches
(minigpt/layers/) keep from the forward to the backward pass. FLOPs are those of the matrix
products, 2 m n k for (m, k) @ (k, n). The backward pass has two products for each product of the
forward pass. The numbers are exact: tests compare them with the arrays and products of real passes.
Left out: temporary arrays, the optimizer's state (twice the parameters), arithmetic that is not a
matrix product.
"""

from math import prod
from typing import NamedTuple

from minigpt.config import GPTConfig
from minigpt.parameters import parameter_shapes


class Entry(NamedTuple):
    """One line of the ledger."""

    part: str
    parameters: int
    activation_bytes: int  # kept from the forward to the backward pass
    forward_flops: int

    @property
    def step_flops(self) -> int:
        """Forward and backward."""
        return 3 * self.forward_flops


def ledger(
    config: GPTConfig, B: int, T: int, training: bool = False, itemsize: int = 4
) -> list[Entry]:
    """The entries of embeddings, blocks and head, and their sum.

    B, T: B sequences of T tokens.
    training: with dropout.
    itemsize: bytes per number, 4 for float32.
    """
    dropout = training and config.dropout > 0
    entries = [_embeddings(config, B, T, dropout)]
    entries += [_block(config, i, B, T, dropout, itemsize) for i in range(config.n_layer)]
    entries.append(_head(config, B, T, itemsize))
    parameters, activation_bytes, flops = (
        sum(column) for column in list(zip(*entries, strict=True))[1:]
    )
    return entries + [Entry("sum", parameters, activation_bytes, flops)]


def _embeddings(config: GPTConfig, B: int, T: int, dropout: bool) -> Entry:
    ids = 8 * B * T  # int64
    positions = 8 * T if config.positions == "learned" else 0
    mask = B * T * config.n_embd if dropout else 0  # bool: one byte
    parameters = _parameters(config, "wte") + _parameters(config, "wpe")
    return Entry("embeddings", parameters, ids + positions + mask, 0)


def _block(config: GPTConfig, i: int, B: int, T: int, dropout: bool, itemsize: int) -> Entry:
    tokens, C, nh = B * T, config.n_embd, config.n_head
    norms = 2 * (tokens * C + tokens)  # xhat and 1/std, twice
    # c_attn's input, qkv, P, c_proj's input
    attention = tokens * C + 3 * tokens * C + B * nh * T * T + tokens * C
    relu = config.activation == "relu"
    # fc's input; GELU's input and half; proj's input
    mlp = tokens * C + 4 * tokens * C * (1 if relu else 3)
    # ReLU keeps a mask of one byte instead
    held = itemsize * (norms + attention + mlp) + (4 * tokens * C if relu else 0)
    if dropout:  # masks of one byte; and P once more, after its dropout
        held += 2 * tokens * C + B * nh * T * T * (1 + itemsize)
    # c_attn, c_proj, c_fc, the MLP's c_proj
    linear = 2 * tokens * (3 * C * C + C * C + 4 * C * C + 4 * C * C)
    # and q k^T, P v: all T x T scores, half of which are masked
    flops = linear + 2 * (2 * B * T * T * C)
    return Entry(f"block {i}", _parameters(config, f"h.{i}"), held, flops)


def _head(config: GPTConfig, B: int, T: int, itemsize: int) -> Entry:
    tokens, C, V = B * T, config.n_embd, config.vocab_size
    norm = tokens * C + tokens if config.norm == "pre" else 0
    # the head's input, p; the targets, the mask of counted targets
    held = itemsize * (norm + tokens * C + tokens * V) + 8 * tokens + tokens
    return Entry("head and loss", _parameters(config, "ln_f"), held, 2 * tokens * C * V)


def _parameters(config: GPTConfig, module: str) -> int:
    return sum(
        prod(shape)
        for name, shape in parameter_shapes(config).items()
        if name.startswith(f"{module}.")
    )
