"""The arrays of a page: each once, cropped and rounded."""

import hashlib
import math

import numpy as np

from minigpt.tracing.recorder import Step

DIGITS = 5  # significant digits
MAPS = ("P", "S", "p", "dropped", "keep")  # one number per query and key
PARAMETERS = ("weight", "bias", "fc_weight", "fc_bias", "proj_weight", "proj_bias")


def is_map(step: Step, name: str) -> bool:
    """Return whether rows are queries and columns are keys."""
    return name.rpartition(".")[2] in MAPS or any(
        f".{inner}" in step.name for inner in ("softmax", "attention.dropout")
    )


class Arrays:
    """The arrays of a page, each once, with their kept indices."""

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
        """Return the ids that a crop of the vocabulary keeps.

        They are the first six, those of the text, the most likely next ones, and more from 0 on.
        """
        first = np.argsort(-trace.logits[trace.steps[0].focus[1]], kind="stable")[:8].tolist()
        text = [i for i in [*trace.ids.tolist(), *trace.targets.tolist()] if i >= 0]
        order = dict.fromkeys([*range(6), *first, *text, *range(self.V)])
        return sorted([i for i in order if i < self.V][: self.most])

    def add(self, step: Step, name: str, array: np.ndarray) -> int:
        """Return the number of an array in the table.

        It is added if it is missing.
        """
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
            "low": rounded(float(finite.min(initial=0.0)), DIGITS),
            "high": rounded(float(finite.max(initial=0.0)), DIGITS),
            "data": [[[plain(x) for x in row] for row in plane] for plane in cropped.tolist()],
        }

    def kinds(self, step: Step, name: str, array: np.ndarray) -> tuple[str, str]:
        """Return what the last two axes count.

        One of token, key, channel, qkv, vocab, position; "one" if there is no such axis.
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
        if array.ndim == 4 and is_map(step, name):
            return "token", "key"
        return ("token" if shape[-2] == self.T else "channel"), last

    def axis(self, kind: str, size: int) -> int:
        """Return the number of an axis in the table.

        An axis has a kind, a size, and the indices it keeps (None: all).
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
        """Return the number of a mask in the table.

        A mask has a string for each kept query, with 1 at each kept key that it sees.
        """
        kept = self.kept["token"] if len(visible) == self.T else list(range(len(visible)))
        rows = ["".join("1" if visible[i, j] else "0" for j in kept) for i in kept]
        if rows not in self.masks:
            self.masks.append(rows)
        return self.masks.index(rows)


def plain(x: float | int | bool, digits: int = DIGITS) -> float | int | str | None:
    """Return a number in a form that JSON has.

    None is -infinity (a hidden score); "nan" and "inf" are text.
    """
    if isinstance(x, bool | int):
        return int(x)
    if math.isfinite(x):
        return rounded(x, digits)
    return None if x == -math.inf else str(x)


def rounded(x: float, digits: int) -> float:
    """Return a float rounded to so many significant digits.

    Nine digits if the third digit after the point would otherwise change.
    """
    short = float(f"{x:.{digits}g}")
    return short if f"{short:.3f}" == f"{x:.3f}" else float(f"{x:.9g}")
