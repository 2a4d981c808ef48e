"""Wrong embeddings, positions and dropout. The form is that of wrong_layers.py."""

from minigpt.course.variants import Variant

EMBEDDING = [
    Variant(
        "layers.embedding/fancy_add",
        "dweight[ids] += dout counts a repeated token once",
        (("np.add.at(dweight, ids.reshape(-1), dout.reshape(-1, C))", "dweight[ids.reshape(-1)] += dout.reshape(-1, C)"),),
        "embedding.repeated",
        "BUGS 36",
    ),
    Variant(
        "layers.embedding/averaged",
        "a repeated token's gradients are averaged",
        (
            (
                "    return dweight",
                "    return dweight / np.maximum(np.bincount(ids.reshape(-1), minlength=len(weight)), 1)[:, None]",
            ),
        ),
        "embedding.repeated",
    ),
    Variant(
        "layers.embedding/scaled",
        "the rows are multiplied by sqrt(C), as in Vaswani et al. and not in GPT",
        (("return weight.take(ids, axis=0), Emb", "return weight.take(ids, axis=0) * weight.shape[1] ** 0.5, Emb"),),
        "embedding.values",
    ),
    Variant(
        "layers.embedding/negative_ids",
        "an id of -1 silently reads the last row",
        (('    expect.ids_below("embedding", "ids", ids, weight.shape[0], "the rows of weight")\n', ""),),
        "embedding.bad_input",
    ),
    Variant(
        "layers.embedding/small_ids",
        "ids are held in one byte",
        (("np.add.at(dweight, ids.reshape(-1),", "np.add.at(dweight, ids.reshape(-1).astype(np.uint8),"),),
        "embedding.edges",
    ),
    Variant(
        "layers.embedding/window_onto_the_table",
        "ids in order are answered by a view of the table",
        (
            (
                "return weight.take(ids, axis=0), Emb",
                "return (weight[: len(ids)] if np.array_equal(ids, np.arange(len(ids))) else weight.take(ids, axis=0)), Emb",
            ),
        ),
        "embedding.edges",
    ),
]

POSITIONS = [
    Variant(
        "layers.positions/concatenated",
        "all sines come first, then all cosines",
        (("np.stack([np.sin(angle), np.cos(angle)], axis=-1)", "np.concatenate([np.sin(angle), np.cos(angle)], axis=-1)"),),
        "sinusoidal_positions.golden",
        "BUGS 41",
    ),
    Variant(
        "layers.positions/sines_only",
        "there are sines and no cosines",
        (("[np.sin(angle), np.cos(angle)]", "[np.sin(angle), np.sin(angle)]"),),
        "sinusoidal_positions.properties",
        "BUGS 43",
    ),
    Variant(
        "layers.positions/rescaled",
        "positions are scaled to -1 .. 1, so that a row depends on T",
        (("pos = np.arange(T)[:, None]", "pos = 2.0 * np.arange(T)[:, None] / max(T - 1, 1) - 1.0"),),
        "sinusoidal_positions.properties",
        "BUGS 45",
    ),
    Variant(
        "layers.positions/from_one",
        "the first position is 1",
        (("pos = np.arange(T)[:, None]", "pos = np.arange(1, T + 1)[:, None]"),),
        "sinusoidal_positions.golden",
        "BUGS, weak tests",
    ),
    Variant(
        "layers.positions/channel_exponent",
        "the exponent counts channels, 2 times too fast",
        (("(-np.arange(0, C, 2) / C)", "(-2.0 * np.arange(0, C, 2) / C)"),),
        "sinusoidal_positions.golden",
    ),
    Variant(
        "layers.positions/tensor2tensor_spacing",
        "the wavelengths are spaced by 1/(C/2 - 1), as in tensor2tensor's code",
        (("(-np.arange(0, C, 2) / C)", "(-np.arange(C // 2) / max(C // 2 - 1, 1))"),),
        "sinusoidal_positions.golden",
    ),
    Variant(
        "layers.positions/come_again",
        "positions begin again after 64",
        (("pos = np.arange(T)[:, None]", "pos = np.arange(T)[:, None] % 64"),),
        "sinusoidal_positions.long",
    ),
]

DROPOUT = [
    Variant(
        "layers.dropout/unscaled",
        "what is kept is not scaled up, forward and backward",
        (("x * keep * (1.0 / (1.0 - float(p)))", "x * keep"), ("dout * keep * (1.0 / (1.0 - p))", "dout * keep")),
        "dropout.properties",
        "BUGS 56",
    ),
    Variant(
        "layers.dropout/scaled_by_p",
        "what is kept is scaled by 1/p",
        (
            ("x * keep * (1.0 / (1.0 - float(p)))", "x * keep * (1.0 / float(p))"),
            ("dout * keep * (1.0 / (1.0 - p))", "dout * keep * (1.0 / p)"),
        ),
        "dropout.properties",
        "BUGS 57",
    ),
    Variant(
        "layers.dropout/inverted_mask",
        "p is the probability of keeping",
        (("dtype=np.float32) >= p", "dtype=np.float32) < p"),),
        "dropout.properties",
    ),
    Variant(
        "layers.dropout/backward_without_mask",
        "the gradient passes through what was struck out",
        (("return dout * keep * (1.0 / (1.0 - p))", "return dout * (1.0 / (1.0 - p))"),),
        "dropout.gradient",
    ),
    Variant(
        "layers.dropout/backward_unscaled",
        "the gradient is masked and not scaled",
        (("return dout * keep * (1.0 / (1.0 - p))", "return dout * keep"),),
        "dropout.gradient",
    ),
    Variant(
        "layers.dropout/whole_rows",
        "whole rows are struck out together",
        (
            ("rng.random(shape, dtype=np.float32)", "rng.random((*shape[:-1], 1), dtype=np.float32)"),
            ("DropoutCache(keep, ", "DropoutCache(keep & np.ones(x.shape, bool), "),
        ),
        "dropout.properties",
    ),
    Variant(
        "layers.dropout/global_random",
        "the mask comes from NumPy's global state: no seed fixes it",
        (("rng.random(shape, dtype=np.float32)", "np.random.random(shape)"),),
        "dropout.properties",
    ),
    Variant(
        "layers.dropout/float64_mask",
        "the mask is a float64 array, which promotes float32",
        (("return x * keep * (1.0", "return x * keep.astype(np.float64) * (1.0"),),
        "dropout.properties",
    ),
]

WRONG_EMBEDDING = EMBEDDING + POSITIONS + DROPOUT
