"""The pictures: each draws without a warning and the same bytes twice, on fixed scales, with the numbers that it was given."""

import io
import math
import re
import subprocess
import sys
import warnings
from itertools import pairwise

import numpy as np
import pytest

from minigpt import generate, layers, plots
from minigpt.plots import bpe, canvas, flash, layer_norm
from minigpt.plots import positions as draw_positions
from minigpt.plots.gelu import LOWEST
from minigpt.plots.positions import shift_matrix

pytest.importorskip("matplotlib")

RNG = np.random.default_rng(3)
TOKENS = list("trans")
Q, K, V = RNG.normal(size=(3, 5, 2))
LOGITS = np.array([2.0, 1.0, 0.5, 0.0, -1.0, 1.5])
MERGES = [
    (4, (b"l", b"o"), [b"lo", b"w", b"e", b"r"]),
    (7, (b"e", b"r"), [b"lo", b"w", b"er"]),
    (9, (b"lo", b"w"), [b"low", b"er"]),
]
ONLINE = [(1.0, 1.0, 1.0, 0.0), (3.0, 3.0, 1 + math.exp(-2), math.exp(-2)), (2.0, 3.0, 1 + math.exp(-2) + math.exp(-1), 1.0)]


def weights(*shape: int) -> np.ndarray:
    """Causal attention weights (..., T, T)."""
    T = shape[-1]
    return layers.softmax_forward(np.where(np.tril(np.ones((T, T), bool)), RNG.normal(size=shape), -np.inf))[0]


def bowl(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return x**2 + 10 * y**2


P1, P3, P20 = weights(6, 6), weights(3, 5, 5), weights(5, 20, 20)
LONG = RNG.normal(size=(3, 24, 16))
PATH = np.array([[2.0, 1.0], [1.0, -0.5], [0.5, 0.2]])
LOG = [{"step": 0, "loss": 4.2, "train_loss": 4.2, "val_loss": 4.3}, {"step": 9, "loss": 2.0, "train_loss": 2.1, "val_loss": 2.4}]
WORDS = [" the", "\n", "$a$", "\u4e2d", "fox", "x"]

PICTURES = {
    "attention_steps": lambda: plots.attention_steps(Q, K, V, TOKENS),
    "attention_steps, long": lambda: plots.attention_steps(*LONG),
    "attention_steps, no mask": lambda: plots.attention_steps(Q, K, V, causal=False),
    "attention_heads": lambda: plots.attention_heads(P3, TOKENS),
    "attention_heads, many": lambda: plots.attention_heads(P20, ["word"] * 20),
    "induction": lambda: plots.induction(P1, list("abcabc")),
    "score_growth": lambda: plots.score_growth((4, 16)),
    "positions": lambda: plots.positions(12, 8),
    "positions, smallest": lambda: plots.positions(1, 2),
    "softmax_temperatures": lambda: plots.softmax_temperatures(LOGITS, WORDS),
    "truncation": lambda: plots.truncation(LOGITS, WORDS, 3, 0.9),
    "truncation, many": lambda: plots.truncation(RNG.normal(size=200)),
    "draws": lambda: plots.draws([0.5, 0.3, 0.2], [52, 30, 18], list("abc")),
    "layer_norm_dots": lambda: plots.layer_norm_dots([1.0, 0, 0, 0], [1.7, -0.6, -0.6, -0.6]),
    "layer_norm_dots, rows": lambda: plots.layer_norm_dots(Q, K, TOKENS),
    "gelu_curves": plots.gelu_curves,
    "gradient_flow": lambda: plots.gradient_flow({"pre-LN": [1, 2, 3], "post-LN": [0, np.inf, 1e-3]}),
    "gradients": lambda: plots.gradients(["wte", "wpe", "ln_f"], [1e-3, 0, 2]),
    "gradients, none": lambda: plots.gradients(["wte"], [0.0]),
    "residual_stream": lambda: plots.residual_stream([1, 2, 3], {"attention": [0.5, 0.4], "MLP": [0.7, 0.8]}),
    "stream_norms": lambda: plots.stream_norms([("h.0.attn", 1.0), ("h.0.mlp", 2.0)], [("h.0.attn", 2.0), ("h.0.mlp", 1.0)]),
    "logit_lens": lambda: plots.logit_lens(WORDS[:3], [WORDS[3:], WORDS[:3]], [[0.1, 0.5, 0.9]] * 2, [[1, 20, 0]] * 2),
    "online_softmax": lambda: plots.online_softmax(ONLINE),
    "flash_tiles": lambda: plots.flash_tiles(10, 12, 4, 3, (1, 2)),
    "flash_tiles, window": lambda: plots.flash_tiles(100, 100, 16, 16, window=20),
    "flash_tiles, one query": lambda: plots.flash_tiles(1, 40, 1, 8),
    "kv_cache": lambda: plots.kv_cache(5),
    "kv_cache, long": lambda: plots.kv_cache(40),
    "merge_tree": lambda: plots.merge_tree(MERGES),
    "bytes_of": lambda: plots.bytes_of("na\u00efve $1$ \u20ac\n\u4e2d \U0001f600"),
    "schedule": lambda: plots.schedule([0.0, 0.5, 1.0, 0.6, 0.1]),
    "optimizer_paths": lambda: plots.optimizer_paths({"SGD": PATH, "Adam": PATH / 2}, bowl, "a bowl"),
    "ladder_bars": lambda: plots.ladder_bars([("a0 plain", 2.0, 1e9), ("a1 online", 0.5, 1e6), ("a2", 0.1, 1e3)]),
    "heatmap": lambda: plots.heatmap(Q, "q", rows=TOKENS, xlabel="channel", ylabel="token"),
    "heatmaps": lambda: plots.heatmaps([("q", Q), ("wide", RNG.normal(size=(2, 12))), ("big", RNG.normal(size=(30, 40)))]),
    "loss_curve": lambda: plots.loss_curve(LOG, 65, "a run"),
    "ratio_bars": lambda: plots.ratio_bars([("g", "a", 1.2), ("g", "b", 0.5)], {"g": "a group"}),
}


def written(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def images(figure) -> list:
    """The images of a figure, without its scales."""
    return [axes.images[0] for axes in figure.axes if axes.images and axes.get_label() != "<colorbar>"]


def hatches(axes) -> list:
    return [one for one in [*axes.collections, *axes.patches] if one.get_hatch()]


def hatched_cells(axes, shape: tuple[int, int]) -> np.ndarray:
    """(m, n) bool, whether the middle of a cell is inside a hatched box."""
    cells = np.zeros(shape, bool)
    paths = [path for one in axes.collections if one.get_hatch() for path in one.get_paths()]
    for i, j in np.ndindex(shape):
        cells[i, j] = any(path.contains_point((j, i)) for path in paths)
    return cells


@pytest.mark.parametrize("name", PICTURES)
def test_draws_without_a_warning_and_the_same_twice(name):
    import PIL.Image
    from matplotlib.figure import Figure

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = PICTURES[name]()
        state = RNG.bit_generator.state
        png = plots.png_bytes(figure)
        assert type(figure) is Figure
        assert png == plots.png_bytes(figure)
        if "RNG" not in PICTURES[name].__code__.co_names:
            assert png == plots.png_bytes(PICTURES[name]())
    assert state == RNG.bit_generator.state
    image = PIL.Image.open(io.BytesIO(png))
    assert "Software" not in image.info and 300 <= image.width <= 1100


def test_every_public_picture_is_drawn_here():
    helpers = {"draw_matrix", "new_figure", "png_bytes", "save_figure", "show"}
    assert {name.partition(",")[0] for name in PICTURES} == set(plots.__all__) - helpers


@pytest.mark.parametrize("name", PICTURES)
def test_no_letter_is_too_small_and_nothing_is_cut_off(name):
    from matplotlib.text import Text

    figure = PICTURES[name]()
    plots.png_bytes(figure)  # lays it out
    box = figure.get_tightbbox()  # inches
    assert box.x0 > -0.02 and box.y0 > -0.02, box
    assert box.x1 < figure.get_figwidth() + 0.02 and box.y1 < figure.get_figheight() + 0.02, box
    assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) >= 7


@pytest.mark.parametrize(
    "name", [name for name in PICTURES if name.partition(",")[0] not in ("bytes_of", "heatmaps", "stream_norms")]
)
def test_axes_are_labelled(name):
    """Each picture says what its x and its y are, if only once where several share them."""
    axes = PICTURES[name]().axes
    assert any(one.get_xlabel() for one in axes)
    assert any(one.get_ylabel() for one in axes) or name in ("heatmap", "ratio_bars")


# ---- attention


def test_attention_steps_shows_the_reference_s_numbers():
    figure = plots.attention_steps(Q, K, V, TOKENS)
    scores, masked, p, out = images(figure)
    _, cache = layers.attention_forward(*(a[None, None] for a in (Q, K, V)))
    want = layers.attention_forward(*(a[None, None] for a in (Q, K, V)))[0][0, 0]
    visible = np.tril(np.ones((5, 5), bool))
    np.testing.assert_allclose(scores.get_array(), Q @ K.T / math.sqrt(2))
    np.testing.assert_allclose(p.get_array().filled(0), cache.softmax.p[0, 0])
    np.testing.assert_allclose(out.get_array(), want)
    assert (masked.get_array().mask == ~visible).all()
    assert (p.norm.vmin, p.norm.vmax) == (0, 1)
    assert scores.norm.vmin == -scores.norm.vmax == masked.norm.vmin  # 0 in the middle, one scale for both
    assert written(figure.axes[2]) == [f"{number:.2f}" for number in cache.softmax.p[0, 0][visible]]
    assert written(figure.axes[3]) == [f"{number:.2f}" for number in want.ravel()]
    for at, hidden in ((0, False), (1, True), (2, True), (3, False)):
        assert bool(hatches(figure.axes[at])) == hidden
    assert (hatched_cells(figure.axes[2], (5, 5)) == ~visible).all()
    assert [axes.get_xlabel() for axes in figure.axes] == ["key", "key", "key", "channel"]
    assert figure.axes[0].get_ylabel() == "query"
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == TOKENS


def test_without_a_mask_nothing_is_hatched_and_the_scale_is_still_0_to_1():
    """A causal map always has a 1, in its first row; here the largest weight is below 1."""
    figure = plots.attention_steps(Q, K, V, causal=False)
    assert not any(hatches(axes) for axes in figure.axes)
    p = images(figure)[2]
    assert p.get_array().max() < 0.9 and (p.norm.vmin, p.norm.vmax) == (0, 1)
    heads = images(plots.attention_heads(np.full((2, 4, 4), 0.25), causal=False))
    assert [(image.norm.vmin, image.norm.vmax) for image in heads] == [(0, 1)] * 2


def test_heads_are_small_multiples_on_one_scale():
    figure = plots.attention_heads(P3, TOKENS)
    shown = images(figure)
    assert len(shown) == 3
    for image, p in zip(shown, P3, strict=True):
        assert (image.norm.vmin, image.norm.vmax) == (0, 1)
        np.testing.assert_allclose(image.get_array().filled(0), p)
        assert (hatched_cells(image.axes, (5, 5)) == np.triu(np.ones((5, 5), bool), 1)).all()
    assert figure.axes[0].get_title() == "head 0" and written(figure.axes[0])[0] == "1.00"


def test_weight_on_a_hidden_key_is_an_error_and_not_hatched_away():
    p = np.full((1, 3, 3), 1 / 3)
    with pytest.raises(ValueError, match="causal=False"):
        plots.attention_heads(p)
    assert not hatches(plots.attention_heads(p, causal=False).axes[0])


def test_induction_marks_what_came_after_the_last_occurrence():
    from matplotlib.patches import Rectangle

    axes = plots.induction(P1, list("abcabc")).axes[0]
    marked = {(box.get_y() + 0.5, box.get_x() + 0.5) for box in axes.patches if isinstance(box, Rectangle)}
    assert marked == {(3, 1), (4, 2), (5, 3)}
    assert f"{np.mean([P1[3, 1], P1[4, 2], P1[5, 3]]):.2f}" in axes.get_title()
    assert (hatched_cells(axes, (6, 6)) == np.triu(np.ones((6, 6), bool), 1)).all()


def test_score_growth_writes_variances_near_hs_and_near_1():
    plain, divided, largest = plots.score_growth((16, 64)).axes
    sizes = [16, 64]
    for axes, wanted in ((plain, sizes), (divided, [1, 1])):
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        for line, hs, want in zip(labels, sizes, wanted, strict=True):
            found = re.fullmatch(rf"hs = {hs}: variance (.+)", line)
            assert float(found[1]) == pytest.approx(want, rel=0.1)
    before = [bar.get_height() for bar in largest.containers[0]]
    after = [bar.get_height() for bar in largest.containers[1]]
    assert before[1] > before[0] + 0.1 > 0.5 and abs(after[1] - after[0]) < 0.02 and max(after) < 0.2


# ---- positions, gelu, layer norm


def test_positions_shows_the_table_and_c_over_2():
    figure = draw_positions(12, 8)
    table, _, _, both, alone, lengths = [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]
    pe = layers.sinusoidal_positions(12, 8)
    np.testing.assert_allclose(table.images[0].get_array(), pe)
    assert (table.images[0].norm.vmin, table.images[0].norm.vmax) == (-1, 1)
    np.testing.assert_allclose(both.images[0].get_array(), pe @ pe.T)
    np.testing.assert_allclose(alone.images[0].get_array(), pe[:, ::2] @ pe[:, ::2].T)
    assert both.images[0].norm.vmax == alone.images[0].norm.vmax == 4
    np.testing.assert_allclose(lengths.lines[0].get_ydata(), 4.0)
    assert "C/2 = 4" in both.get_title() and "C/2 = 4" in lengths.get_legend().get_texts()[0].get_text()


@pytest.mark.parametrize("shift", [1, 5])
def test_shift_matrix_moves_every_position(shift):
    pe = layers.sinusoidal_positions(20, 6)
    np.testing.assert_allclose(pe[:-shift] @ shift_matrix(6, shift), pe[shift:], atol=1e-12)


def test_gelu_s_marks_are_where_the_curve_is_lowest_and_steepest():
    curve, tanh, slope, sigmoid = plots.gelu_curves().axes
    assert written(curve) == ["-0.16997 at x = -0.7518"]
    assert written(slope) == ["-0.12890 at x = -1.4142", "1.12890 at x = 1.4142"]
    nearby = layers.gelu_forward(np.array([LOWEST - 1e-3, LOWEST, LOWEST + 1e-3]), "none")[0]
    assert nearby.argmin() == 1
    x, height = slope.lines[1].get_data()
    assert x[height.argmax()] == pytest.approx(math.sqrt(2), abs=0.01)
    assert x[height.argmin()] == pytest.approx(-math.sqrt(2), abs=0.01)
    np.testing.assert_allclose(height[1:-1], np.gradient(curve.lines[1].get_ydata(), x)[1:-1], atol=1e-4)
    assert "4.73e-04" in tanh.get_title() and "2.03e-02" in sigmoid.get_title()


def test_layer_norm_dots_takes_rows_and_not_columns():
    x = np.array([[1.0, 0, 0, 0], [2.0, 4, 6, 8]])
    y = layers.layer_norm_forward(x, np.ones(4))[0]
    before, after = plots.layer_norm_dots(x, y).axes
    assert [text for text in written(before) if text.startswith("mean")] == ["mean 0.25, sd 0.43", "mean 5.00, sd 2.24"]
    assert [text for text in written(after) if text.startswith("mean")] == ["mean 0.00, sd 1.00"] * 2
    dots = [line for line in before.lines if line.get_marker() == "o"]
    for at, (line, row) in enumerate(zip(dots, x, strict=True)):
        np.testing.assert_allclose(line.get_xdata(), row)
        np.testing.assert_allclose(line.get_ydata(), at)


def test_channels_in_one_place_share_a_label():
    assert layer_norm._together(np.array([1.0, 0, 0.01, 0]), 0.05) == [(pytest.approx(0.01 / 3), "1,2,3"), (1.0, "0")]


# ---- sampling


def test_temperatures_show_generate_s_probabilities_on_one_scale():
    figure = plots.softmax_temperatures(LOGITS, temperatures=(0.5, 2.0))
    for axes, temperature in zip(figure.axes, (0.5, 2.0), strict=True):
        p = generate.probabilities(LOGITS[None], temperature)[0]
        np.testing.assert_allclose([bar.get_height() for bar in axes.patches], p)
        assert axes.get_ylim() == figure.axes[0].get_ylim() and axes.get_ylim()[0] == 0
        assert written(axes) == [f"{number:.2f}" for number in p]


@pytest.mark.parametrize(("top_p", "kept"), [(0.3, 1), (0.5, 2), (0.85, 4), (1.0, 6)])
def test_truncation_marks_the_token_that_crosses(top_p, kept):
    tokens = list("abcdef")
    axes = plots.truncation(LOGITS, tokens, 3, top_p).axes[0]
    p = np.sort(generate.probabilities(LOGITS[None])[0])[::-1]
    assert kept == np.count_nonzero(generate.probabilities(LOGITS[None], top_p=top_p))
    np.testing.assert_allclose([bar.get_height() for bar in axes.patches], p)
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert "top-k = 3: keeps 3" in labels and f"top-p = {top_p:g}: keeps {kept}" in labels
    assert f"'{'afbcde'[kept - 1]}' crosses it: kept" in labels
    star = next(line for line in axes.lines if line.get_marker() == "*")
    assert star.get_xdata()[0] == kept - 1 and star.get_ydata()[0] == pytest.approx(p[:kept].sum())
    assert star.get_ydata()[0] >= top_p - 1e-12 and (kept == 1 or p[: kept - 1].sum() < top_p)


def test_draws_are_shares_over_the_probabilities():
    axes = plots.draws([0.5, 0.3, 0.2], [5200, 3000, 1800]).axes[0]
    np.testing.assert_allclose([bar.get_height() for bar in axes.patches], [0.5, 0.3, 0.2])
    dots = next(line for line in axes.lines if line.get_label() == "share of the draws")
    np.testing.assert_allclose(dots.get_ydata(), [0.52, 0.3, 0.18])
    low, high = axes.collections[0].get_segments()[0][:, 1]
    assert high - low == pytest.approx(4 * math.sqrt(0.25 / 10_000))
    assert "10,000 draws" in axes.get_title()


# ---- layers and gradients


def test_gradient_flow_counts_what_has_no_place_on_a_log_scale():
    axes = plots.gradient_flow({"a": [1, 2, 3], "b": [0, np.inf, 1e-3]}).axes[0]
    assert axes.get_yscale() == "log"
    assert [line.get_label() for line in axes.lines] == ["a", "b (2 are 0, inf or NaN)"]
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), [np.nan, np.nan, 1e-3])


def test_gradients_are_log_bars_with_their_numbers():
    axes = plots.gradients(["wte", "wpe"], [1e-3, 2.0]).axes[0]
    assert axes.get_xscale() == "log" and written(axes) == ["0.001", "2"]
    np.testing.assert_allclose([bar.get_x() + bar.get_width() for bar in axes.patches], [1e-3, 2.0])


def test_residual_stream_has_a_bar_for_what_each_block_adds():
    axes = plots.residual_stream([1, 2, 3], {"attention": [0.5, 0.4], "MLP": [0.7, 0.8]}).axes[0]
    assert [bar.get_height() for bar in axes.patches] == [0.5, 0.4, 0.7, 0.8]
    assert list(axes.lines[0].get_ydata()) == [1, 2, 3]
    middles = [bar.get_x() + bar.get_width() / 2 for bar in axes.patches]
    assert 0 < middles[0] < middles[2] < 1 < middles[1] < middles[3] < 2  # between the stream before and after


def test_logit_lens_has_token_and_rank_in_the_cell():
    figure = plots.logit_lens(["a", "b"], [["x", " y"], ["z", "w"]], [[0.1, 0.9], [0.4, 0.5]], [[3, 0], [1, 2]])
    axes = figure.axes[0]
    assert written(axes) == ["x\n#3", "\u2423y", "z\n#1", "w\n#2"]
    assert (axes.images[0].norm.vmin, axes.images[0].norm.vmax) == (0, 1)
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.1, 0.9], [0.4, 0.5]])


# ---- flash attention, the cache


def test_online_softmax_adds_up():
    largest, factor, sums = plots.online_softmax(ONLINE).axes
    np.testing.assert_allclose([bar.get_height() for bar in factor.patches], [0, math.exp(-2), 1])
    carried, added = np.array([bar.get_height() for bar in sums.patches]).reshape(2, 3)
    np.testing.assert_allclose(added, [1, 1, math.exp(-1)])
    np.testing.assert_allclose(carried + added, [row[2] for row in ONLINE])
    assert written(largest) == ["1.00", "3.00", "2.00"] and written(sums) == ["1.000", "1.135", "1.503"]


@pytest.mark.parametrize(("Tq", "Tk", "causal", "window"), [(10, 12, True, None), (7, 7, True, 3), (5, 9, False, None)])
def test_a_tile_is_skipped_when_the_mask_hides_all_of_it(Tq, Tk, causal, window):
    from minigpt.layers.attention import attention_mask

    visible = attention_mask(Tq, Tk, causal, window)
    seen = flash.seen_tiles(visible, 4, 3)
    want = np.zeros_like(seen)
    for i, j in zip(*np.nonzero(visible), strict=True):
        want[i // 4, j // 3] = True
    assert (seen == want).all()
    axes = plots.flash_tiles(Tq, Tk, 4, 3, window=window, causal=causal).axes[0]
    assert [bool(tile.get_hatch()) for tile in axes.patches] == list(~want.ravel())


def test_tiles_before_the_current_are_done_and_those_after_it_to_come():
    from matplotlib.colors import to_hex

    axes = plots.flash_tiles(4, 4, 2, 2, current=(1, 0)).axes[0]
    assert [to_hex(tile.get_facecolor()) for tile in axes.patches] == [canvas.SKY, "#f2f2f2", canvas.ORANGE, "#ffffff"]


def test_numbers_read_by_hand():
    """T = 4, hs = 2, tiles 2 x 2. Naive: q, k, v 24, scores twice 32. Tiled: q 8, three tiles of 2 keys and 2 values, 8 each."""
    title = plots.flash_tiles(4, 4, 2, 2, hs=2).axes[0].get_title()
    assert "3 of 4 tiles" in title and "naive 56, tiled 32" in title


def test_the_last_tile_is_narrower():
    """One query, 5 keys, tiles of 4: 4 keys and then 1, so 2 + 2 * 5 * 2."""
    assert "tiled 22" in plots.flash_tiles(1, 5, 1, 4, hs=2).axes[0].get_title()


def test_kv_cache_computes_one_key_a_step():
    without, with_one = plots.kv_cache(5).axes
    assert written(without).count("new") == 15 and "kept" not in written(without)
    assert written(with_one).count("new") == 5 and written(with_one).count("kept") == 10
    assert "15 keys computed" in without.get_title() and "5 computed, 10 reused" in with_one.get_title()
    assert np.diag(with_one.images[0].get_array()).all() and not with_one.images[0].get_array()[4, :4].any()
    for axes in (without, with_one):
        assert (hatched_cells(axes, (5, 5)) == np.triu(np.ones((5, 5), bool), 1)).all()


# ---- byte-pair encoding


def test_merge_tree_has_each_merge_with_its_rank_above_its_parts():
    axes = plots.merge_tree(MERGES).axes[0]
    places = {text.get_text(): text.get_position() for text in axes.texts}
    assert places["lo  rank 4"] == (0.5, 1) and places["er  rank 7"] == (3.5, 2) and places["low  rank 9"] == (1.25, 3)
    assert axes.get_title() == "becomes low | er"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["6c", "6f", "77", "65", "72"]


def test_merge_tree_of_the_tokenizer_s_own_steps():
    from minigpt.tokenizer.bpe import train_bpe

    tokenizer = train_bpe("low low lower lowest", 260)
    steps = list(tokenizer.steps(" lowest"))
    title = plots.merge_tree(steps).axes[0].get_title()
    tokens = [tokenizer.token_bytes(i) for i in tokenizer.encode(" lowest")]
    assert title == "becomes " + " | ".join(canvas.visible(token) for token in tokens)


def test_the_same_pair_twice_joins_the_place_that_gives_the_parts():
    axes = plots.merge_tree([(0, (b"a", b"b"), [b"a", b"b", b"ab"])]).axes[0]
    assert next(text.get_position() for text in axes.texts if "rank" in text.get_text()) == (2.5, 1)


def test_bytes_stand_under_their_character():
    axes = plots.bytes_of("a\u00ef\u4e2d").axes[0]
    assert written(axes) == ["a", "U+0061", "61", "\u00ef", "U+00EF", "c3", "af", "U+4E2D", "e4", "b8", "ad"]
    assert [box.get_width() for box in axes.patches] == [1, 1, 2, 2, 3, 3]
    assert [box.get_x() for box in axes.patches] == [0, 0, 1, 1, 3, 3]


@pytest.mark.parametrize(
    ("token", "label"), [(" a", "\u2423a"), ("\n", "\\n"), ("$x$", r"\$x\$"), (b"\xc3", "\\xc3"), ("\u4e2d", "U+4E2D"), (7, "7")]
)
def test_tokens_can_be_seen(token, label):
    assert canvas.visible(token) == label


# ---- training, speed, matrices


def test_schedule_marks_the_end_of_the_warm_up_and_the_last_step():
    labels = [text.get_text() for text in plots.schedule([0, 0.5, 1.0, 1.0, 0.1]).axes[0].get_legend().get_texts()]
    assert labels == ["warm-up: 2 steps", "largest: 1 at step 2", "last: 0.1 at step 4"]


def test_optimizer_paths_draws_the_points_and_their_heights():
    surface, heights = plots.optimizer_paths({"SGD": PATH}, bowl).axes
    np.testing.assert_allclose(np.transpose(surface.lines[0].get_data()), PATH)
    np.testing.assert_allclose(heights.lines[0].get_ydata(), bowl(*PATH.T))
    assert heights.get_yscale() == "log"


def test_ladder_bars_say_how_many_times_as_fast():
    left, right = plots.ladder_bars([("a0", 2.0, 1e9), ("a1", 0.5, 2e3)]).axes
    assert written(left) == ["2 s", "500 ms (4.00 x)"] and written(right) == ["1,000.0 M", "2,000"]
    assert left.get_xscale() == right.get_xscale() == "log"
    np.testing.assert_allclose([bar.get_x() + bar.get_width() for bar in left.patches], [2.0, 0.5])


def test_heatmap_writes_its_numbers_and_has_0_in_the_middle():
    array = np.array([[1.234, -5.0], [0.0, np.nan]])
    axes = plots.heatmap(array, "name", rows=["a", "b"], xlabel="channel", ylabel="token").axes[0]
    assert written(axes) == ["1.23", "-5.00", "0.00"]
    assert (axes.images[0].norm.vmin, axes.images[0].norm.vmax) == (-5, 5)
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("channel", "token", "name")
    image = plots.heatmap(np.array([[0.2, 0.4]]), signed=False, limit=1.0).axes[0].images[0]
    assert (image.norm.vmin, image.norm.vmax) == (0, 1)


def test_heatmaps_with_a_limit_have_one_scale():
    figure = plots.heatmaps([("a", Q), ("b", 100 * Q)], limit=4.0)
    assert [(image.norm.vmin, image.norm.vmax) for image in images(figure)] == [(-4, 4)] * 2


def test_numbers_of_wide_matrices_do_not_overlap():
    figure = plots.heatmaps([("a", -RNG.random((3, 12))), ("b", -RNG.random((5, 12))), ("c", Q), ("d", Q)])
    plots.png_bytes(figure)
    for axes in figure.axes[:2]:
        boxes = [text.get_window_extent() for text in axes.texts[:12]]
        assert all(a.x1 <= b.x0 for a, b in pairwise(boxes))


# ---- ways out, and errors


def test_save_figure_is_whole_or_not_at_all(tmp_path):
    path = tmp_path / "loss.png"
    plots.save_figure(plots.heatmap(Q), path)
    assert path.read_bytes().startswith(b"\x89PNG") and [one.name for one in tmp_path.iterdir()] == ["loss.png"]


def test_show_is_an_image_of_the_same_bytes():
    pytest.importorskip("IPython")
    figure = plots.heatmap(Q)
    assert plots.show(figure).data == plots.png_bytes(figure)


def test_importing_the_pictures_needs_no_matplotlib():
    script = "import sys; import minigpt.plots; sys.exit('matplotlib' in sys.modules or 'IPython' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


WRONG = {
    "q, k, v have shapes": lambda: plots.attention_steps(Q, K[:3], V),
    "attention_steps: q has shape": lambda: plots.attention_steps(Q[None], K, V),
    "tokens has 2 entries, but must have 5": lambda: plots.attention_steps(Q, K, V, ["a", "b"]),
    "q contains NaN": lambda: plots.attention_steps(Q * np.nan, K, V),
    "p has shape .*nh T T": lambda: plots.attention_heads(P1),
    "last two must be equal": lambda: plots.attention_heads(np.ones((1, 2, 3)) / 3),
    "must be in 0 .. 1": lambda: plots.attention_heads(2 * P3),
    "no token comes twice": lambda: plots.induction(P1, list("abcdef")),
    "head_sizes is empty": lambda: plots.score_growth(()),
    "head_sizes has 9": lambda: plots.score_growth(range(1, 10)),
    "C is 3, but must be even": lambda: plots.positions(4, 3),
    "temperatures is empty": lambda: plots.softmax_temperatures(LOGITS, temperatures=()),
    "temperature is 0": lambda: plots.softmax_temperatures(LOGITS, temperatures=(0,)),
    "top_p is 2": lambda: plots.truncation(LOGITS, top_p=2),
    "top_k is 0": lambda: plots.truncation(LOGITS, top_k=0),
    "counts has shape": lambda: plots.draws([0.5, 0.5], [1, 2, 3]),
    "sum 0": lambda: plots.draws([0.5, 0.5], [0, 0]),
    "x has shape .* y ": lambda: plots.layer_norm_dots([1.0, 2.0], [1.0]),
    "norms has 0 labels": lambda: plots.gradient_flow({}),
    "no number below 0": lambda: plots.gradients(["a"], [-1.0]),
    "names has 1 entries": lambda: plots.gradients(["a"], [1.0, 2.0]),
    "MLP has 3 numbers, but must have 1": lambda: plots.residual_stream([1, 2], {"MLP": [1, 2, 3]}),
    "2 rows of 1": lambda: plots.logit_lens(["a"], [["b"]], [[0.5], [0.5]], [[1], [1]]),
    "x, m, l, rescale": lambda: plots.online_softmax([(1, 2, 3)]),
    "Tq is 0": lambda: plots.flash_tiles(0, 4, 2, 2),
    "it is skipped": lambda: plots.flash_tiles(4, 4, 2, 2, current=(0, 1)),
    "T is 0": lambda: plots.kv_cache(0),
    "steps is empty": lambda: plots.merge_tree([]),
    "step 1 joins b'x' and b'y'": lambda: plots.merge_tree([(0, (b"x", b"y"), [b"ab"])]),
    "text has 0 characters": lambda: plots.bytes_of(""),
    r"must be \(steps, 2\)": lambda: plots.optimizer_paths({"a": np.ones((3, 3))}, bowl),
    "paths has 0 labels": lambda: plots.optimizer_paths({}, bowl),
    "rows is empty": lambda: plots.ladder_bars([]),
    "must be above 0": lambda: plots.ladder_bars([("a", 0.0, 1.0)]),
    "matrices is empty": lambda: plots.heatmaps([]),
    "must have two axes": lambda: plots.heatmaps([("a", np.ones(3))]),
    "heatmap: array has shape": lambda: plots.heatmap(np.ones(3)),
    "has 1 labels": lambda: plots.heatmap(np.ones((2, 2)), rows=["a"]),
    "learning_rates has shape": lambda: plots.schedule([]),
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_input_is_named(message):
    with pytest.raises(ValueError, match=message):
        WRONG[message]()


def test_wrong_types_and_places_are_named():
    with pytest.raises(TypeError, match="q is list of <U1"):
        plots.attention_steps(["a"], K, V)
    with pytest.raises(TypeError, match="text is a bytes"):
        plots.bytes_of(b"a")
    with pytest.raises(TypeError, match="norms is a list"):
        plots.gradient_flow([1.0])
    with pytest.raises(IndexError, match=r"current is .*2 x 2 tiles"):
        plots.flash_tiles(4, 4, 2, 2, current=(2, 0))


def test_bpe_steps_are_not_changed():
    steps = [(rank, pair, list(parts)) for rank, pair, parts in MERGES]
    bpe.merge_tree(steps)
    assert steps == MERGES
