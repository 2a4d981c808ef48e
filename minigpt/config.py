"""GPTConfig: the numbers that fix a GPT's shape; the published models.

Sources: GPT-1: Radford et al. 2018, section 4.1. GPT-2: Radford et al. 2019, table 2. GPT-3: Brown
et al. 2020, table 2.1. Two rows of GPT-3's table are inconsistent (heads times head size is not
d_model) and are corrected here. XL has 24 heads of 128 in 2048 channels in the table; 16 heads fit.
13B has d_model 5140 in the table; 40 heads of 128 make 5120.
Left out: the band width of GPT-3's sparse layers, which is not published (alternating() takes it as
an argument); GPT-4, whose architecture is not published.
"""

import math
from dataclasses import MISSING, Field, dataclass, field, fields, replace

from minigpt import expect
from minigpt.layers.mlp import ACTIVATIONS


def setting(
    about: str,
    default: object = MISSING,
    whole: int | None = None,
    number: str | None = None,
    choices: tuple = (),
) -> Field:
    """A dataclass field with its help text and its allowed values.

    The command line reads both.

    about: the help text.
    whole: the smallest allowed whole number.
    number: "at least 0", or "below 1" (and at least 0).
    choices: the allowed values.
    """
    allowed = {"about": about, "whole": whole, "number": number, "choices": choices}
    return field(default=default, metadata=allowed)


def expect_settings(owner: object) -> None:
    """Raises ValueError, TypeError if a field's value is not allowed.

    owner: a frozen dataclass whose fields are settings. Whole numbers become Python ints.
    """
    name = type(owner).__name__
    for one in fields(owner):
        value, allowed = getattr(owner, one.name), one.metadata
        if allowed["whole"] is not None:
            value = expect.whole_number(name, one.name, value, least=allowed["whole"])
            object.__setattr__(owner, one.name, value)
        if allowed["choices"]:
            expect.one_of(name, one.name, value, allowed["choices"])
        if allowed["number"] == "at least 0" and not (value >= 0 and math.isfinite(value)):
            raise ValueError(f"{name}: {one.name} is {value}, but must not be negative")
        if allowed["number"] == "below 1" and not 0 <= value < 1:
            raise ValueError(f"{name}: {one.name} is {value}, but must be at least 0 and below 1")


@dataclass(frozen=True)
class GPTConfig:
    """The shape of a GPT. Names as in nanoGPT and Hugging Face.

    Raises ValueError, TypeError for a wrong value.
    """

    vocab_size: int = setting("V: how many tokens there are", whole=1)
    block_size: int = setting("the longest text that the model can look at, in tokens", whole=1)
    n_layer: int = setting("how many blocks", whole=1)
    n_head: int = setting("nh: heads of attention in each block", whole=1)
    n_embd: int = setting("C: channels; each head has C / nh of them", whole=1)
    dropout: float = setting(
        "after the embedding, on the attention weights, before each residual sum; in training only",
        0.0,
        number="below 1",
    )
    bias: bool = setting("biases in linear layers and layer norms", True, choices=(True, False))
    norm: str = setting(
        "pre: x + f(LN(x)) and a last LN (GPT-2); post: LN(x + f(x)) (Vaswani et al., GPT-1)",
        "pre",
        choices=("pre", "post"),
    )
    positions: str = setting(
        "learned: a table wpe (GPT); sinusoidal: sines and cosines (Vaswani et al.)",
        "learned",
        choices=("learned", "sinusoidal"),
    )
    activation: str = setting(
        "gelu: tanh form (GPT-2); gelu_erf: exact form (nanoGPT); relu",
        "gelu",
        choices=ACTIVATIONS,
    )
    windows: tuple[int | None, ...] | None = setting(
        "for each layer, how many keys a query sees, or none for all, as in none,16", None
    )
    layer_norm_epsilon: float = setting("what keeps layer norm from dividing by 0", 1e-5)

    def __post_init__(self):
        expect_settings(self)
        if self.n_embd % self.n_head:
            raise ValueError(
                f"GPTConfig: n_embd is {self.n_embd}, "
                f"but must be divisible by n_head = {self.n_head}"
            )
        if not self.layer_norm_epsilon > 0:
            raise ValueError(
                f"GPTConfig: layer_norm_epsilon is {self.layer_norm_epsilon}, but must be above 0"
            )
        if self.positions == "sinusoidal" and self.n_embd % 2:
            raise ValueError(
                f"GPTConfig: n_embd is {self.n_embd}, but must be even if positions are sinusoidal"
            )
        self._check_windows()

    def _check_windows(self):
        if self.windows is None:
            return
        if not isinstance(self.windows, tuple | list):
            raise TypeError(
                f"GPTConfig: windows is {self.windows!r}, but must be a tuple with an entry for "
                "each layer"
            )
        if len(self.windows) != self.n_layer:
            raise ValueError(
                f"GPTConfig: windows has {len(self.windows)} entries, but must have n_layer = "
                f"{self.n_layer}"
            )
        windows = [
            None if w is None else expect.whole_number("GPTConfig", "windows", w)
            for w in self.windows
        ]
        # a list, as JSON gives it, becomes a tuple
        object.__setattr__(self, "windows", tuple(windows))

    def window(self, layer: int) -> int | None:
        """How many keys a query sees in this layer; None: all."""
        return self.windows[layer] if self.windows else None


def alternating(n_layer: int, window: int) -> tuple[int | None, ...]:
    """The windows of alternating dense and banded layers, as in GPT-3.

    Source: Brown et al. 2020, section 2.1.

    >>> alternating(4, 256)
    (None, 256, None, 256)
    """
    return tuple(window if layer % 2 else None for layer in range(n_layer))


def _gpt1() -> GPTConfig:
    return GPTConfig(
        vocab_size=40478,
        block_size=512,
        n_layer=12,
        n_head=12,
        n_embd=768,
        dropout=0.1,
        norm="post",
    )


def _gpt2(n_layer: int, n_embd: int, n_head: int) -> GPTConfig:
    return GPTConfig(50257, 1024, n_layer, n_head, n_embd, dropout=0.1)


def _gpt3(n_layer: int, n_embd: int, n_head: int) -> GPTConfig:
    return replace(_gpt2(n_layer, n_embd, n_head), block_size=2048, dropout=0.0)


PUBLISHED = {
    "gpt1": _gpt1(),
    "gpt2": _gpt2(12, 768, 12),
    "gpt2-medium": _gpt2(24, 1024, 16),
    "gpt2-large": _gpt2(36, 1280, 20),
    "gpt2-xl": _gpt2(48, 1600, 25),
    "gpt3-small": _gpt3(12, 768, 12),
    "gpt3-medium": _gpt3(24, 1024, 16),
    "gpt3-large": _gpt3(24, 1536, 16),
    "gpt3-xl": _gpt3(24, 2048, 16),  # the table says 24 heads
    "gpt3-2.7b": _gpt3(32, 2560, 32),
    "gpt3-6.7b": _gpt3(32, 4096, 32),
    "gpt3-13b": _gpt3(40, 5120, 40),  # the table says d_model 5140
    "gpt3-175b": _gpt3(96, 12288, 96),
}


def published(name: str) -> GPTConfig:
    """The configuration of a published model, by name.

    Raises ValueError with the known names.
    """
    expect.one_of("published", "name", name, tuple(PUBLISHED))
    return PUBLISHED[name]
