"""Wrong variants that introductory articles print as the formula, and two that look like others until every number is compared."""

from minigpt.course.variants import Variant

TABLE = "np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(T, C)"

WRONG_ARTICLES = [
    Variant(
        "layers.softmax/first_axis",
        "the sum runs over the first axis of the array, whatever its rank",
        (("p = e / e.sum(axis=-1, keepdims=True)", "p = e / e.sum(axis=0, keepdims=True)"),),
        "softmax.values",
    ),
    Variant(
        "layers.positions/one_sine_for_each_channel",
        "every channel j has a sine of its own frequency, 10000^(-2j/C), and there is no cosine",
        ((TABLE, "np.sin(pos * 10000.0 ** (-2.0 * np.arange(C) / C))"),),
        "sinusoidal_positions.golden",
        "article",
    ),
    Variant(
        "layers.positions/cosine_of_its_own_frequency",
        "the cosine of a pair has the exponent (2i + 1) / C, and not the sine's 2i / C",
        (
            (
                TABLE,
                "np.stack(\n        [np.sin(angle), np.cos(pos * 10000.0 ** (-(np.arange(0, C, 2) + 1) / C))], axis=-1\n"
                "    ).reshape(T, C)",
            ),
        ),
        "sinusoidal_positions.golden",
        "article",
    ),
]
