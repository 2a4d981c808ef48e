"""Wrong variants of the residual sum."""

from minigpt.course.variants import Variant

SUM = "return x + y  # x's shape"

WRONG_ADD = [
    Variant(
        "layers.add/in_place", "the sum is written over the stream that came in", ((SUM, "x += y\n    return x"),), "add.sharing"
    ),
    Variant("layers.add/difference", "what a part found out is subtracted", ((SUM, "return x - y"),), "add.values"),
    Variant("layers.add/forgets_the_stream", "only what the part found out goes on", ((SUM, "return y + 0.0 * x"),), "add.values"),
    Variant("layers.add/mean", "the two streams are averaged", ((SUM, "return 0.5 * (x + y)"),), "add.values"),
    Variant("layers.add/double", "the sum is a float64, whatever came in", ((SUM, "return x + y.astype(float)"),), "add.float32"),
    Variant(
        "layers.add/first_row_for_all",
        "positions are those of the first token at every place",
        ((SUM, "return x + (y if y.ndim == x.ndim else y[:1])"),),
        "add.values",
    ),
    Variant(
        "layers.add/nothing_to_add",
        "a y of zeros hands x itself on: who writes into the sum writes into the stream",
        ((SUM, "return x + y if y.any() else x"),),
        "add.sharing",
    ),
    Variant(
        "layers.add/memory_order",
        "numbers are added in the order in which they lie in memory",
        ((SUM, 'return (x.ravel("K") + np.broadcast_to(y, x.shape).ravel("K")).reshape(x.shape)'),),
        "add.layouts",
    ),
    Variant("layers.add/nan_is_zero", "NaN becomes 0", ((SUM, "return np.nan_to_num(x + y)"),), "add.huge"),
]
