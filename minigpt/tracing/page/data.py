"""A trace as plain data for the page.

Every array is stored once, rounded and cropped. Every step names its arrays by their numbers.

    page_data(trace) = {tokens, steps: [{fields: [{name, array}]}],
                        arrays: [{shape, rows, cols, data}], axes, formulas, logits ...}

Rounding: DIGITS significant digits, and more if the third digit after the point would otherwise
differ from the tables of show.py. Crops: if an axis is too long to show, some indices are kept, and
named: see _kept. The crop shrinks until the page fits BUDGET. Left out: what a cropped axis drops;
the parameters' gradients as the optimizer sees them.
"""

import json
import math

import numpy as np

from minigpt import layers
from minigpt.layers.attention import attention_mask
from minigpt.layers.multi_head_attention import split_heads
from minigpt.tracing.page import words
from minigpt.tracing.page.arrays import DIGITS, Arrays, is_map, plain, rounded
from minigpt.tracing.page.mathml import to_mathml
from minigpt.tracing.recorder import Step
from minigpt.tracing.show import compared

LOGIT_DIGITS = 7
BUDGET = 4_500_000  # bytes of data: the page stays under 5 MB
MOST_LOGITS = 100_000  # if there are more, only some tokens keep theirs
TOP = 20  # bars of the prediction
CROPS = (
    (64, 48),
    (64, 32),
    (64, 24),
    (64, 16),
    (48, 16),
    (32, 16),
    (16, 12),
    (8, 8),
    (6, 6),
)  # most tokens, most of any other axis


def page_data(trace, budget: int = BUDGET) -> dict:
    """Return all that the page shows, as dicts, lists, strings and numbers."""
    for crop in CROPS:
        data = _data(trace, crop)
        if len(json.dumps(data, separators=(",", ":"))) <= budget:
            break
    return data


def _data(trace, crop: tuple[int, int]) -> dict:
    table = Arrays(trace, crop)
    steps = [_step(step, table) for step in trace]
    logits, broken = _logits(trace), trace.broken
    names = [words.label(token) for token in trace.tokens]
    return {
        "title": f"A walk through {_quoted(trace, names)}",
        "tokens": names,
        "kept_tokens": table.kept["token"],
        "ids": trace.ids.tolist(),
        "targets": trace.targets.tolist(),
        "focus": trace.steps[0].focus[1],
        "loss": plain(trace.loss, LOGIT_DIGITS),
        "broken": broken.index if broken else None,
        "model": _model(trace.model),
        "digits": DIGITS,
        "steps": steps,
        "formulas": {f.id: _formula(f) for step in trace for f in step.formulas},
        "arrays": table.arrays,
        "axes": table.axes,
        "masks": table.masks,
        "logits": logits,
        "symbols": _symbols(trace, table, logits),
    }


def _quoted(trace, names: list[str]) -> str:
    """Return the text, or its beginning, in quotes.

    Without a tokenizer: how many tokens it has.
    """
    text = "".join(names).replace("␣", " ")
    return (
        f"{len(names)} tokens"
        if trace.tokenizer is None
        else f"“{text[:40]}{'…' if len(text) > 40 else ''}”"
    )


def _model(model) -> dict:
    names = (
        "n_layer",
        "n_head",
        "n_embd",
        "vocab_size",
        "block_size",
        "norm",
        "positions",
        "activation",
    )
    count = sum(array.size for array in model.params.values())
    return {name: getattr(model.config, name) for name in names} | {"parameters": count}


def _formula(formula) -> dict:
    return {
        "name": formula.name,
        "mathml": to_mathml(formula.latex, formula.text),
        "text": formula.text,
        "source": formula.source,
    }


def _logits(trace) -> dict[str, list[float] | None]:
    """Return all logits after a token, by the token.

    The focused token comes first, then as many others as MOST_LOGITS allows. None if NaN or
    infinity is among the logits.
    """
    T, focus = trace.steps[0].focus
    order = sorted(range(T), key=lambda t: (t != focus, -t))
    several = max(1, MOST_LOGITS // trace.logits.shape[-1])
    rows = {t: trace.logits[t] for t in sorted(order[:several])}
    return {
        str(t): [rounded(z, LOGIT_DIGITS) for z in row.tolist()] if np.isfinite(row).all() else None
        for t, row in rows.items()
    }


def _symbols(trace, table: Arrays, logits: dict) -> dict[str, str]:
    """Return the names of the tokens that the page can show.

    These are the crop of the vocabulary, and the most likely tokens.
    """
    shown = {*table.kept["vocab"], *trace.ids.tolist(), *trace.targets[trace.targets >= 0].tolist()}
    for t in logits:
        shown.update(np.argsort(-trace.logits[int(t)], kind="stable")[:TOP].tolist())
    if trace.tokenizer is None:
        return {str(i): str(i) for i in sorted(shown)}
    return {str(i): words.label(trace.tokenizer.symbol(int(i))) for i in sorted(shown)}


# ---- a step


def _step(step: Step, table: Arrays) -> dict:
    scores, weights, mask = _maps(step)
    arrays = [("in", name, value) for name, value in step.inputs.items()]
    arrays += [
        ("inside", name, value)
        for name, value in (("S", scores), ("P", weights))
        if value is not None
    ]
    arrays += [("out", name, value) for name, value in step.outputs.items()]
    arrays += [("kept", name, value) for name, value in step.cache.items()]
    return {
        "index": step.index,
        "direction": step.direction,
        "name": step.name,
        "function": step.function,
        "depth": step.depth,
        "part": words.part(step),
        "title": words.title(step),
        "what": words.what(step),
        "formulas": [formula.id for formula in step.formulas],
        "formula": step.formula,
        "fields": _fields(step, arrays, table),
        "options": {
            key: value
            for key, value in step.inputs.items()
            if isinstance(value, bool | int | float | str)
        },
        "mask": None if mask is None else table.mask(mask),
        "checks": [_check(*row) for row in compared(step)],
    }


def _fields(step: Step, arrays: list[tuple], table: Arrays) -> list[dict]:
    """Return the arrays of a step in order.

    An array that is already there under another name has that name in "also".
    """
    fields: list[dict] = []
    for role, name, value in arrays:
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub" or not value.size:
            continue  # a number, a flag, or a bias that the model does not have
        number = table.add(step, name, value)
        twin = next(
            (field for field in fields if field["array"] == number and role == "kept"), None
        )
        if twin:
            twin.setdefault("also", []).append(name)
        else:
            fields.append(
                {
                    "role": role,
                    "name": name,
                    "array": number,
                    "what": words.field(step, name),
                    "map": is_map(step, name),
                }
            )
    return fields


def _check(name: str, at: tuple, got: float, want: float) -> dict:
    return {
        "name": name,
        "at": list(at),
        "got": f"{got:.9f}",
        "want": f"{want:.9f}",
        "off": f"{abs(got - want):.1e}",
    }


def _maps(step: Step) -> tuple:
    """Return attention's scores after the mask, its weights, and the mask.

    Scores and weights are (B, nh, T, T); None for other functions. A kernel keeps no weights, so
    they are recomputed from the queries and keys.
    """
    if (
        step.function.startswith("softmax")
        and "x" in step.inputs
        and np.ndim(step.inputs["x"]) == 4
    ):
        return None, None, np.isfinite(step.inputs["x"][0, 0])
    if "attention" not in step.function:
        return None, None, None
    given = step.inputs
    q, k, v = (
        split_heads(given["qkv"], given["n_head"])
        if "qkv" in given
        else (given["q"], given["k"], given["v"])
    )
    _, cache = layers.attention_forward(q, k, v, given["causal"], given["window"])
    weights = next(
        (value for name, value in step.cache.items() if name.endswith("softmax.p")), cache.softmax.p
    )
    mask = attention_mask(q.shape[2], k.shape[2], given["causal"], given["window"])
    # as attention_forward computes them, to the last bit
    scores = (q @ k.swapaxes(-1, -2)) * (1.0 / math.sqrt(q.shape[-1]))
    return np.where(mask, scores, -np.inf), weights, mask
