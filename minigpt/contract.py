"""The contract: every function that an implementation of a GPT exports, stated once.

An implementation is a module with these functions: the reference (minigpt/layers/), the loops
(by_hand.py), the kernels (kernels/), or a learner's file. `X_forward(...) -> (out, cache)` and
`X_backward(dout, cache) -> gradients` make a pair. Whoever needs to know which arguments have
gradients, or which function is made of which others, reads it here.

Letters, everywhere: B batch, T time (tokens), C channels, nh heads, hs head size (C / nh), V
vocabulary, F the MLP's width.
"""

from typing import NamedTuple


class Pair(NamedTuple):
    """A forward and its backward."""

    name: str
    # the arguments that have gradients, in the order in which the backward returns them
    gradients: tuple[str, ...]
    made_of: tuple[str, ...] = ()  # the pairs whose functions it calls

    @property
    def forward(self) -> str:
        return f"{self.name}_forward"

    @property
    def backward(self) -> str:
        return f"{self.name}_backward"


# each after the pairs that it is made of
PAIRS = (
    Pair("softmax", ("x",)),
    Pair("cross_entropy", ("logits",)),
    Pair("linear", ("x", "weight", "bias")),
    Pair("layer_norm", ("x", "weight", "bias")),
    Pair("gelu", ("x",)),
    Pair("relu", ("x",)),
    Pair("embedding", ("weight",)),
    Pair("dropout", ("x",)),
    Pair("attention", ("q", "k", "v"), made_of=("softmax", "dropout")),
    Pair("multi_head_attention", ("qkv",), made_of=("attention",)),
    Pair(
        "mlp",
        ("x", "fc_weight", "fc_bias", "proj_weight", "proj_bias"),
        made_of=("linear", "gelu", "relu"),
    ),
)
# a sum hands its gradient to both sides; a fixed table has none
WITHOUT_BACKWARD = ("add", "sinusoidal_positions")
FUNCTIONS = (*(name for pair in PAIRS for name in (pair.forward, pair.backward)), *WITHOUT_BACKWARD)

_PAIR_OF = {name: pair for pair in PAIRS for name in (pair.forward, pair.backward)}


def pair_of(function: str) -> Pair | None:
    """The pair that a function belongs to: that of "gelu" for "gelu_backward".

    None for a function without a backward.
    """
    return _PAIR_OF.get(function)


def stem(function: str) -> str:
    """A function's name without its direction: "gelu" of "gelu_backward", "add" of "add"."""
    pair = pair_of(function)
    return pair.name if pair else function


def is_forward(function: str) -> bool:
    """Whether it is the forward of a pair, and so returns a cache."""
    pair = pair_of(function)
    return pair is not None and function == pair.forward
