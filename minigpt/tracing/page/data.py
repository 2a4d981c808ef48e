"""A trace as plain data for the page: every array once, rounded and cropped, and every step by the
numbers of its arrays.

    page_data(trace) = {tokens, steps: [{fields: [{name, array}]}], arrays: [{shape, rows, cols, data}], axes, formulas, logits ...}

Rounding: DIGITS significant digits, more where the third digit after the point would otherwise
differ from the tables of show.py. Crops: of an axis too long to be shown, some indices are kept,
and named: see _kept. The crop shrinks until the page fits BUDGET.
Left out: what a cropped axis does not keep; the parameters' gradients as the optimizer sees them.
"""

import hashlib
import json
import math

import numpy as np

from minigpt import layers
from minigpt.layers.attention import attention_mask
from minigpt.layers.multi_head_attention import split_heads
from minigpt.tracing.page import words
from minigpt.tracing.page.mathml import to_mathml
from minigpt.tracing.recorder import Step
from minigpt.tracing.show import compared

BUDGET = 4_500_000  # bytes of data: the page stays under 5 MB
DIGITS, LOGIT_DIGITS = 5, 7
MOST_LOGITS = 100_000  # of more, only some tokens keep theirs
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
MAPS = ("P", "S", "p", "dropped", "keep")  # one number for a query and a key
PARAMETERS = ("weight", "bias", "fc_weight", "fc_bias", "proj_weight", "proj_bias")


def page_data(trace, budget: int = BUDGET) -> dict:
    """Everything that the page shows, as dicts, lists, strings and numbers."""
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
        "loss": _plain(trace.loss, LOGIT_DIGITS),
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
    """The text, or its beginning, in quotes; without a tokenizer, how many tokens it has."""
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
    """All logits after a token, by the token: of the focused one first, and of as many others as
    MOST_LOGITS allows.

    None if NaN or infinity is among them.
    """
    T, focus = trace.steps[0].focus
    order = sorted(range(T), key=lambda t: (t != focus, -t))
    several = max(1, MOST_LOGITS // trace.logits.shape[-1])
    rows = {t: trace.logits[t] for t in sorted(order[:several])}
    return {
        str(t): [_rounded(z, LOGIT_DIGITS) for z in row.tolist()]
        if np.isfinite(row).all()
        else None
        for t, row in rows.items()
    }


def _symbols(trace, table: "Arrays", logits: dict) -> dict[str, str]:
    """The names of the tokens that the page can show: of the crop of the vocabulary, and of the
    most likely.
    """
    shown = {*table.kept["vocab"], *trace.ids.tolist(), *trace.targets[trace.targets >= 0].tolist()}
    for t in logits:
        shown.update(np.argsort(-trace.logits[int(t)], kind="stable")[:TOP].tolist())
    if trace.tokenizer is None:
        return {str(i): str(i) for i in sorted(shown)}
    return {str(i): words.label(trace.tokenizer.symbol(int(i))) for i in sorted(shown)}


# ---- a step


def _step(step: Step, table: "Arrays") -> dict:
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


def _fields(step: Step, arrays: list[tuple], table: "Arrays") -> list[dict]:
    """The arrays of a step in order; one that is there already under another name is named beside
    it ("also").
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
                    "map": _is_map(step, name),
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
    """Attention's scores after the mask and its weights, each (B, nh, T, T), and which keys are
    visible; None elsewhere.

    A kernel keeps no weights, so they are computed again from the queries and keys.
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
    # as attention_forward makes them, to the last bit
    scores = (q @ k.swapaxes(-1, -2)) * (1.0 / math.sqrt(q.shape[-1]))
    return np.where(mask, scores, -np.inf), weights, mask


def _is_map(step: Step, name: str) -> bool:
    """Whether an array has a row for each query and a column for each key."""
    return name.rpartition(".")[2] in MAPS or any(
        f".{inner}" in step.name for inner in ("softmax", "attention.dropout")
    )


# ---- the arrays


class Arrays:
    """The arrays of a page, each once, with the indices that their axes keep."""

    def __init__(self, trace, crop: tuple[int, int]):
        self.arrays: list[dict] = []
        self.axes: list[dict] = []
        self.masks: list[list[str]] = []
        self.T, self.V, self.C = (
            len(trace.ids),
            trace.model.config.vocab_size,
            trace.model.config.n_embd,
        )
        self.most = crop[1]
        self.known: dict[object, int] = {}
        tokens, focus = min(crop[0], self.T), trace.steps[0].focus[1]
        start = min(self.T - tokens, focus)
        self.kept = {"token": list(range(start, start + tokens)), "vocab": self._vocabulary(trace)}

    def _vocabulary(self, trace) -> list[int]:
        """The ids that a crop of the vocabulary keeps: the first six, the text's, the most likely
        next ones, and more from 0 on.
        """
        first = np.argsort(-trace.logits[trace.steps[0].focus[1]], kind="stable")[:8].tolist()
        text = [i for i in [*trace.ids.tolist(), *trace.targets.tolist()] if i >= 0]
        order = dict.fromkeys([*range(6), *first, *text, *range(self.V)])
        return sorted([i for i in order if i < self.V][: self.most])

    def add(self, step: Step, name: str, array: np.ndarray) -> int:
        """The number of an array in the table; a new one where it is not there."""
        kinds = self.kinds(step, name, array)
        digest = hashlib.blake2b(array.tobytes(), digest_size=16).digest()
        key = array.shape, array.dtype.str, digest, kinds
        if key not in self.known:
            self.known[key] = len(self.arrays)
            self.arrays.append(self._entry(array, kinds))
        return self.known[key]

    def _entry(self, array: np.ndarray, kinds: tuple[str, str]) -> dict:
        planes = array.reshape(-1, *array.shape[-2:]) if array.ndim > 1 else array.reshape(1, 1, -1)
        rows, cols = self.axis(kinds[0], planes.shape[1]), self.axis(kinds[1], planes.shape[2])
        cropped = planes[:, self._indices(rows)][:, :, self._indices(cols)]
        finite = array[np.isfinite(array)]
        return {
            "shape": list(array.shape),
            "rows": rows,
            "cols": cols,
            "type": "float" if array.dtype.kind == "f" else "int",
            "low": _rounded(float(finite.min(initial=0.0)), DIGITS),
            "high": _rounded(float(finite.max(initial=0.0)), DIGITS),
            "data": [[[_plain(x) for x in row] for row in plane] for plane in cropped.tolist()],
        }

    def kinds(self, step: Step, name: str, array: np.ndarray) -> tuple[str, str]:
        """What the last two axes count: token, key, channel, qkv, vocab, position; "one" where
        there is no such axis.
        """
        leaf = name.rpartition(".")[2]
        shape = (1, *array.shape) if array.ndim < 2 else array.shape
        bare = leaf[1:] if step.direction == "backward" and name in step.outputs else leaf
        last = "vocab" if step.name in ("head", "loss") and shape[-1] == self.V else "channel"
        last = "qkv" if ".attn" in step.name and shape[-1] == 3 * self.C else last
        if bare in PARAMETERS:
            table = {"wte": "vocab", "wpe": "position"}.get(step.name, "channel")
            return ("one" if array.ndim < 2 else table), last
        if array.ndim < 2 or (array.dtype.kind in "iub" and array.ndim == 2):
            return "one", "token" if shape[-1] == self.T else "one"
        if array.ndim == 4 and _is_map(step, name):
            return "token", "key"
        return ("token" if shape[-2] == self.T else "channel"), last

    def axis(self, kind: str, size: int) -> int:
        """The number of an axis in the table: its kind, its size, and the indices it keeps (None:
        all).
        """
        key = kind, size
        if key not in self.known:
            self.known[key] = len(self.axes)
            self.axes.append({"kind": kind, "size": size, "kept": self._crop(kind, size)})
        return self.known[key]

    def _crop(self, kind: str, size: int) -> list[int] | None:
        tokens = self.kept["token"]
        if kind in ("token", "key"):
            return None if size <= len(tokens) else tokens
        if size <= self.most:
            return None
        if kind == "vocab":
            return self.kept["vocab"]
        if kind == "position":
            return [t for t in tokens if t < size]
        if kind == "qkv":
            return [first + i for first in range(0, size, size // 3) for i in range(self.most // 3)]
        return list(range(self.most))

    def _indices(self, axis: int) -> list[int]:
        entry = self.axes[axis]
        return entry["kept"] if entry["kept"] is not None else list(range(entry["size"]))

    def mask(self, visible: np.ndarray) -> int:
        """The number of a mask in the table: of each kept query, a string with 1 at each kept key
        that it sees.
        """
        kept = self.kept["token"] if len(visible) == self.T else list(range(len(visible)))
        rows = ["".join("1" if visible[i, j] else "0" for j in kept) for i in kept]
        if rows not in self.masks:
            self.masks.append(rows)
        return self.masks.index(rows)


def _plain(x: float | int | bool, digits: int = DIGITS) -> float | int | str | None:
    """A number as JSON can say it: None is -infinity (a hidden score), "nan" and "inf" are text."""
    if isinstance(x, bool | int):
        return int(x)
    if math.isfinite(x):
        return _rounded(x, digits)
    return None if x == -math.inf else str(x)


def _rounded(x: float, digits: int) -> float:
    """A float of so many significant digits; of nine where otherwise its third digit after the
    point would change.
    """
    short = float(f"{x:.{digits}g}")
    return short if f"{short:.3f}" == f"{x:.3f}" else float(f"{x:.9g}")
