"""The parameters of a GPT: their names, their shapes, and the numbers that they start from.

Names and layout are those of GPT-2's own checkpoint: a linear weight is (in, out), and the head has
none of its own: it is wte transposed (tied). Counting needs no array:

>>> from minigpt.config import published
>>> parameter_count(published("gpt2"))
124439808

Source of the start: Radford et al. 2019, section 2.3 (residual projections scaled by 1/sqrt(N), N
residual layers: two for each block); the 0.02 is GPT-1's, Radford et al. 2018, section 4.1.
"""

import math

import numpy as np

from minigpt.config import GPTConfig


def parameter_shapes(config: GPTConfig) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every parameter, in the order of the forward pass."""
    C, F = config.n_embd, 4 * config.n_embd
    shapes = {"wte.weight": (config.vocab_size, C)}
    if config.positions == "learned":
        shapes["wpe.weight"] = (config.block_size, C)
    for i in range(config.n_layer):
        shapes |= {
            f"h.{i}.ln_1.weight": (C,),
            f"h.{i}.ln_1.bias": (C,),
            f"h.{i}.attn.c_attn.weight": (C, 3 * C),
            f"h.{i}.attn.c_attn.bias": (3 * C,),
            f"h.{i}.attn.c_proj.weight": (C, C),
            f"h.{i}.attn.c_proj.bias": (C,),
            f"h.{i}.ln_2.weight": (C,),
            f"h.{i}.ln_2.bias": (C,),
            f"h.{i}.mlp.c_fc.weight": (C, F),
            f"h.{i}.mlp.c_fc.bias": (F,),
            f"h.{i}.mlp.c_proj.weight": (F, C),
            f"h.{i}.mlp.c_proj.bias": (C,),
        }
    if config.norm == "pre":  # post-LN blocks end in a layer norm already
        shapes |= {"ln_f.weight": (C,), "ln_f.bias": (C,)}
    return {
        name: shape for name, shape in shapes.items() if config.bias or not name.endswith(".bias")
    }


def parameter_count(config: GPTConfig) -> int:
    """How many numbers a model of this configuration learns."""
    return sum(math.prod(shape) for shape in parameter_shapes(config).values())


def initial_parameters(
    config: GPTConfig, seed: int, dtype: type = np.float32
) -> dict[str, np.ndarray]:
    """Gains 1, biases 0, matrices N(0, 0.02), and the projections into the residual stream N(0,
    0.02 / sqrt(2 n_layer)).

    Each of the 2 n_layer projections adds to the stream; scaled so, the sum's variance does not
    grow with the depth.
    """
    rng = np.random.default_rng(seed)
    params = {}
    for name, shape in parameter_shapes(config).items():
        if name.endswith(".bias"):
            params[name] = np.zeros(shape, dtype)
        elif len(shape) == 1:  # a layer norm's gain
            params[name] = np.ones(shape, dtype)
        else:
            std = 0.02 / math.sqrt(2 * config.n_layer) if name.endswith("c_proj.weight") else 0.02
            params[name] = (std * rng.standard_normal(shape)).astype(dtype)
    return params


def expect_parameters(params: dict[str, np.ndarray], config: GPTConfig) -> None:
    """The names and shapes are those of the config. Else ValueError with the first that is not."""
    shapes = parameter_shapes(config)
    for name, shape in shapes.items():
        if name not in params:
            raise ValueError(f"GPT: params has no {name}, but must have it: {shape}")
        if params[name].shape != shape:
            raise ValueError(
                f"GPT: params has {name} of shape {params[name].shape}, but must have {shape}"
            )
    extra = params.keys() - shapes.keys()
    if extra:
        raise ValueError(
            f"GPT: params has {sorted(extra)[0]}, but a model of this config has no such parameter"
        )
