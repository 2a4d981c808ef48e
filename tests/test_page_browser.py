"""Tests of a trace's page in a browser: every step opens.

It shows the trace's numbers, and there are no errors. Skipped without Chromium or Chrome, or
without playwright, which drives it.
"""

import re
import shutil

import numpy as np
import pytest
from test_page import IDS, VARIANTS, as_planes, larger, variant

import minigpt
from minigpt import GPT, GPTConfig, layers
from minigpt.generation.sampling import probabilities
from minigpt.text.tokenizer import CharTokenizer
from minigpt.tracing.page import data as page_of
from minigpt.tracing.page import words, write_page
from minigpt.tracing.show import compared, row
from minigpt.tracing.tiny import tiny_model, tiny_tokenizer

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)


@pytest.fixture(scope="module")
def tiny():
    return minigpt.trace(tiny_model(), "trans", tiny_tokenizer(), targets="ransf")


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium or Chrome is installed")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, tmp_path):
    """opened(trace, **options of a browser's page) returns the page.

    At the end, the page must have had no errors.
    """
    pages, complaints = [], []

    def open_page(trace, fragment="", **options):
        page = browser.new_page(**({"viewport": {"width": 1300, "height": 900}} | options))
        page.on(
            "console",
            lambda message: (
                complaints.append(message.text) if message.type in ("error", "warning") else None
            ),
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda request: (
                complaints.append(request.url)
                if not request.url.startswith(("file:", "data:"))
                else None
            ),
        )
        page.on("requestfailed", lambda request: complaints.append(request.url))
        write_page(trace, tmp_path / "walk.html")
        page.goto((tmp_path / "walk.html").as_uri() + fragment)
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert not complaints


def test_every_step_opens_by_keyboard(opened, tiny):
    page = opened(tiny)
    for at, step in enumerate(tiny):
        assert page.evaluate("location.hash") == (f"#step-{at}" if at else "#step-0")
        assert page.inner_text("#step h2") == words.title(step)
        assert page.get_attribute("#steps a[aria-current]", "href") == f"#step-{at}"
        page.keyboard.press("j" if at % 2 else "ArrowRight")
    assert page.inner_text("#step .where").endswith(f"step {len(tiny) - 1} of {len(tiny) - 1}")
    for pressed, want in (
        ("Home", 0),
        ("ArrowLeft", 0),
        ("End", len(tiny) - 1),
        ("k", len(tiny) - 2),
        ("ArrowLeft", len(tiny) - 3),
    ):
        page.keyboard.press(pressed)
        assert page.evaluate("location.hash") == f"#step-{want}"
    assert f"Step {len(tiny) - 3} of" in page.inner_text("#announce")


def test_addresses_links_and_buttons(opened, tiny):
    page = opened(tiny, "#step-17")
    assert page.inner_text("#step h2") == "Head: the logits"
    page.click("#next")
    assert page.evaluate("location.hash") == "#step-18"
    page.click("#previous")
    page.click('#steps a[href="#step-4"]')
    page.wait_for_function("state.step === 4")
    assert page.inner_text("#step h2") == "Queries, keys and values"
    page.go_back()
    page.wait_for_function("state.step === 17")
    page.evaluate("location.hash = '#step-999'")
    page.wait_for_function("state.step === 36")


def test_three_digits_are_pythons(opened, tiny):
    ties = [0.0625, -0.0625, 0.1875, 0.3125, -2.4375]
    numbers = [*ties, -0.0, 0.0, 0.0005, 0.0015, 1e-9, -1e-9, 2.5, 0.5, 123.4565, -0.9995]
    assert opened(tiny).evaluate("(all) => all.map((x) => fixed(x))", numbers) == [
        f"{x:z.3f}" for x in numbers
    ]


@pytest.mark.parametrize("model", ["tiny", "larger"])
def test_the_rows_shown_are_those_of_the_tables(opened, tiny, model):
    trace = tiny if model == "tiny" else larger(n_layer=1)
    page = opened(trace)
    for step in trace:
        page.evaluate(f"go({step.index})")
        for name, role, text in page.eval_on_selector_all(
            ".rows tbody tr",
            "rows => rows.map(r => [r.dataset.name, r.dataset.role, r.lastChild.textContent])",
        ):
            if role == "inside":
                continue
            array = {"in": step.inputs, "out": step.outputs, "kept": step.cache}[role][name]
            assert text == row(array, step.focus), (step.index, name)


def test_choosing_a_token_moves_the_rows(opened, tiny):
    page = opened(tiny, "#step-3")
    page.focus("#tokens input:checked")
    page.keyboard.press("ArrowLeft")  # inside the choice of tokens the arrows choose
    assert page.evaluate("location.hash") == "#step-3"
    out = tiny[3].outputs["out"]
    assert page.inner_text('.rows tr[data-role="out"] td:last-child') == row(out, (5, 3))
    assert row(out, (5, 3)) != row(out, (5, 4))


def test_gradients_stand_beside_their_differences(opened, tiny):
    page = opened(tiny)
    for step in tiny.backward:
        page.evaluate(f"go({step.index})")
        shown = page.eval_on_selector_all(
            ".checks",
            "tables => tables.map(t => [...t.querySelectorAll('td')].map(d => d.textContent))",
        )
        assert shown == [[f"{got:.9f}", f"{want:.9f}"] for _, _, got, want in compared(step)]
    assert page.locator(".differ").count() == 0
    page.evaluate(f"go({tiny.find('h.0.mlp', 'mlp_backward').index})")
    assert page.locator(".flow svg").first.get_attribute("aria-label") == "from"


SENTENCES = """() => {
 const said = (v, value) => v.type === "int" ? String(value) : inWords(value);
 return STEPS.flatMap((step) => {
  go(step.index);
  return pictures.flatMap((entry) => {
   const { name, v, plane } = entry;
   return [[0, 0], [v.rows.length - 1, v.cols.length - 1]].map(([i, j]) => {
    select(entry, i, j);
    const value = v.value(plane, v.rows[i], v.cols[j]);
    return [step.index, name, $("said").textContent, value === null ? "-inf" : said(v, value)];
   });
  });
});}"""


@pytest.mark.parametrize("model", ["tiny", "larger", "kernels", "dropout", *VARIANTS])
def test_every_cell_has_a_sentence_with_its_number(opened, tiny, model):
    if model == "kernels":
        pytest.importorskip("numba")
    dropout = dict(vocab_size=9, block_size=8, n_layer=1, n_head=2, n_embd=4, dropout=0.3)
    trace = {
        "tiny": lambda: tiny,
        "larger": lambda: larger(n_layer=1),
        "kernels": lambda: larger("numba", n_layer=1),
        "dropout": lambda: minigpt.trace(
            GPT(GPTConfig(**dropout)), IDS, rng=np.random.default_rng(1)
        ),
    }.get(model, lambda: variant(VARIANTS[model]))()
    said = opened(trace).evaluate(SENTENCES)
    assert len(said) > 2 * len(trace)
    for index, name, text, value in said:
        assert text.endswith(".") and not re.search(r"undefined|NaN|null|Infinity|\?", text), (
            index,
            name,
            text,
        )
        assert value in text or "hidden" in text or "must not see" in text or "= 0" in text, (
            index,
            name,
            text,
            value,
        )


READ = """([index, i, j, plane]) => {
  go(index);
  const out = view(STEPS[index].fields.find((one) => one.role === "out"));
  const inputs = STEPS[index].fields.filter((one) => one.role === "in");
  const { regions } = reads(STEPS[index], out, plane, out.rows[i], out.cols[j]);
  const of = (one) => regions.filter((region) => region.array === one.array);
  return Object.fromEntries(inputs.map((one) => [one.name, of(one)]));
}"""


def test_what_is_marked_is_what_is_read(opened, tiny):
    """The page marks exactly the inputs that change the output.

    Each input number is changed in turn.
    """
    page = opened(tiny)
    for step in tiny.forward:
        heads, tokens, channels = as_planes(np.asarray(step.out)).shape
        for at in {
            (heads - 1, tokens - 1, channels - 1),
            (heads - 1, min(1, tokens - 1), min(1, channels - 1)),
        }:
            for name, regions in page.evaluate(READ, [step.index, at[1], at[2], at[0]]).items():
                shape = as_planes(step.inputs[name]).shape
                assert np.array_equal(covered(regions, shape), moving(step, name, at)), (
                    step.index,
                    step.name,
                    name,
                    at,
                )


def covered(regions: list[dict], shape: tuple) -> np.ndarray:
    """Return the marked cells in an array of (planes, rows, columns)."""
    marked = np.zeros(shape, dtype=bool)
    for region in regions:
        rows, cols = (
            np.arange(n) if region[a] is None else np.atleast_1d(region[a])
            for a, n in zip("rc", shape[1:], strict=True)
        )
        marked[region["plane"]][np.ix_(rows, cols)] = True
    return marked


def moving(step, name: str, at: tuple) -> np.ndarray:
    """Return which numbers of an input change one number of the output.

    Each input number is changed in turn.
    """
    run = (
        (lambda **given: sum(given.values()))
        if step.function == "add"
        else lambda **given: getattr(layers, step.function)(**given)[0]
    )
    before, moved = (
        as_planes(np.asarray(run(**step.inputs)))[at],
        np.zeros(step.inputs[name].size, dtype=bool),
    )
    for i in range(moved.size):
        array = step.inputs[name].copy()
        array.flat[i] += -1 if array.dtype.kind == "i" and array.flat[i] else 1
        with np.errstate(all="ignore"):
            moved[i] = as_planes(np.asarray(run(**step.inputs | {name: array})))[at] != before
    return moved.reshape(as_planes(step.inputs[name]).shape)


def test_a_picture_is_walked_with_the_arrow_keys(opened, tiny):
    page = opened(tiny, "#step-4")
    page.focus('figure[data-field="out"] .heat')
    for key in ("Tab", "Shift+Tab", "ArrowUp", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    assert page.evaluate("location.hash") == "#step-4"
    out = tiny[4].outputs["out"][0, 3, 2]
    said = page.inner_text("#said")
    assert (
        "out[3, 2] = sum over 4 channels of x[3, i] × weight[i, 2] + bias[2]" in said
        and said.endswith(f"= {out:.3f}.")
    )
    assert (
        page.locator('figure[data-field="x"] .mark').count() == 1
        and page.locator('figure[data-field="weight"] .mark').count() == 1
    )
    page.keyboard.press("Escape")
    assert page.locator(".mark").count() == 0


def test_the_picture_has_a_table_with_headers(opened, tiny):
    page = opened(tiny, "#step-4")
    page.click('figure[data-field="out"] summary')
    shown = page.eval_on_selector_all(
        'figure[data-field="out"] .details-table td', "cells => cells.map(c => c.textContent)"
    )
    assert shown == [f"{x:.3f}" for x in tiny[4].outputs["out"].ravel()]
    assert page.locator(
        'figure[data-field="out"] .details-table th[scope="row"]'
    ).all_inner_texts() == list("trans")


@pytest.mark.parametrize(
    "temperature, top_k, top_p",
    [(1.0, None, None), (0.5, None, None), (2.0, 4, None), (1.5, None, 0.6), (0.7, 5, 0.8)],
)
def test_the_sliders_agree_with_generate(opened, tiny, temperature, top_k, top_p):
    page = opened(tiny, "#step-17")
    set_slider = (
        "([id, value]) => { const s = $(id); s.value = value; s.dispatchEvent(new "
        "Event('input')); }"
    )
    for name, value in (("temperature", temperature), ("top-k", top_k), ("top-p", top_p)):
        if value is not None:
            page.evaluate(set_slider, [name, value])
    shown = page.eval_on_selector_all(
        ".bars tbody tr",
        "rows => rows.map(r => [Number(r.dataset.id), Number(r.dataset.p), "
        "r.children[1].textContent])",
    )
    want = probabilities(tiny.logits[[4]], temperature, top_k, top_p)[0]
    assert [i for i, _, _ in shown] == np.argsort(-tiny.logits[4], kind="stable")[:20].tolist()
    for i, p, text in shown:
        assert p == pytest.approx(want[i], abs=1e-6) and text == f"{want[i]:.3f}"


@pytest.mark.parametrize("width", [1300, 800, 390, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_sideways_scrolling(opened, width, scheme):
    page = opened(
        larger(n_layer=1),
        viewport={"width": width, "height": 800},
        color_scheme=scheme,
        reduced_motion="reduce",
    )
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    over = page.evaluate(
        "STEPS.map((s) => { go(s.index); return document.documentElement.scrollWidth - "
        "window.innerWidth; })"
    )
    assert max(over) <= 0
    page.click("#theme")
    assert page.evaluate("document.documentElement.dataset.theme") != scheme


def test_nan_is_shown_and_found(opened, broken_model):
    page = opened(minigpt.trace(broken_model, "trans", tiny_tokenizer(), targets="ransf"))
    assert "The loss is nan nats" in page.inner_text("#summary")
    page.click("#summary a")
    page.wait_for_function("state.step === 12")
    numbers = page.locator('figure[data-field="out"] text.number').all_text_contents()
    assert numbers[::16] == ["nan"] * 5 and numbers.count("nan") == 5
    for step in range(13, 37):
        page.keyboard.press("ArrowRight")
        page.wait_for_function(f"state.step === {step}")
        if step in (17, 18):
            assert (
                "Nothing to predict: the logits after s (4) hold NaN or infinity."
                in page.inner_text("#predict-said")
            )
        page.locator("#step svg.heat").first.focus()
        page.keyboard.press("ArrowDown")  # a sentence about a cell
        page.keyboard.press("Escape")
        page.evaluate("document.activeElement.blur()")


def test_a_token_whose_logits_are_not_kept_says_so(opened, monkeypatch):
    monkeypatch.setattr(page_of, "MOST_LOGITS", 1)
    trace = variant({})
    page = opened(trace, f"#step-{trace.find('loss', 'cross_entropy_forward').index}")
    assert "The true next token was" in page.inner_text("#predict-said")
    page.focus("#tokens input:checked")
    page.keyboard.press("ArrowLeft")
    why = "the page does not keep the logits after 4 (3), only those after tokens 4"
    assert page.inner_text("#predict-said") == f"Nothing to predict: {why}."
    page.focus('figure[data-field="out"] .heat')
    page.keyboard.press("ArrowDown")
    assert why in page.inner_text("#said")


def test_hostile_tokens_in_a_browser(opened):
    text = "<img src=x onerror=alert(1)></script>"
    tokenizer = CharTokenizer(text)
    config = GPTConfig(
        vocab_size=tokenizer.vocab_size, block_size=64, n_layer=1, n_head=1, n_embd=4
    )
    page = opened(minigpt.trace(GPT(config), text, tokenizer), "#step-0")
    assert page.locator("img").count() == 0
    assert "".join(page.locator("#tokens b").all_inner_texts()).replace("␣", " ") == text


CONTRAST = """() => {
  const style = getComputedStyle(document.documentElement), palette = colours();
  const share = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * share(r) + 0.7152 * share(g) + 0.0722 * share(b) + 0.05;
  const ratio = (a, b) => Math.max(light(a), light(b)) / Math.min(light(a), light(b));
  const long = (text) => (text.length < 7 ? text.slice(1).replace(/./g, "$&$&") : text.slice(1));
  const hex = (text) => long(text).match(/../g).map((two) => parseInt(two, 16));
  const named = (name) => hex(style.getPropertyValue(name).trim());
  const paper = named("--paper"), wash = named("--wash");
  const both = (name) => [ratio(named(name), paper), ratio(named(name), wash)];
  const found = ["--ink", "--soft", "--accent"].flatMap(both);
  for (let x = -1; x <= 1; x += 0.01) {
    const cell = colour(x, { limit: 1 }, palette);
    found.push(ratio(hex(inkOn(cell, palette).trim()), cell));
  }
  return Math.min(...found);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_numbers_stand_out(opened, tiny, scheme):
    """Text and numbers have a contrast of at least 4.5.

    That is WCAG 2.2, success criterion 1.4.3. The numbers in the cells are included.
    """
    assert opened(tiny, color_scheme=scheme).evaluate(CONTRAST) >= 4.5
