"""The recorder behind a trace: a copy of a model whose functions write down each call.

A model calls nothing but ops.<name>, so the recorder is one more module of functions: each does what the wrapped one does, and
writes down what went in and came out. A backward belongs to the forward whose cache it is given. The two sums into the residual
stream of each block, and the embeddings', are no function of the contract; the recorder adds them where they happen.
Left out: calls inside a kernel; the optimizer's step.
"""

import inspect
from collections.abc import Callable
from functools import wraps
from types import ModuleType, SimpleNamespace
from typing import NamedTuple

import numpy as np

from minigpt.model import GPT
from minigpt.ops import CONTRACT, MADE_OF_OTHERS, copied, load_ops

SUMS = {
    "forward": "x + f(x): the residual stream, and what this part adds to it",
    "backward": "g + f'(g): a sum passes its gradient on to both sides, so both come together here",
}


class Step(NamedTuple):
    """One call: what went in, what came out, and what the backward pass will read."""

    index: int
    direction: str  # "forward" or "backward"
    name: str  # where in the model: "h.0.attn.c_attn"
    function: str  # of the contract: "linear_forward"; "add" for a residual sum
    depth: int  # 0: called by the model; 1: called by a function of depth 0, and so on
    inputs: dict[str, object]
    outputs: dict[str, np.ndarray | None]
    cache: dict[str, object]  # the fields of what the forward kept
    focus: tuple[int, int]  # T, and the token whose row tables show: the last that has a target

    @property
    def formulas(self) -> list:
        """The formulas (minigpt.formulas.Formula) that the function claims to be; none for a residual sum."""
        from minigpt.formulas import formulas_of

        return [] if self.function == "add" else formulas_of(self.function, self.inputs.get("approximate", "tanh"))

    @property
    def formula(self) -> str:
        """What is computed, in ASCII."""
        return "; ".join(formula.text for formula in self.formulas) or SUMS[self.direction]

    @property
    def out(self) -> np.ndarray:
        """The first output."""
        return next(iter(self.outputs.values()))

    def difference(self, gradient: str, at: tuple[int, ...]) -> float:
        """The number of a gradient by central differences: of sum(dout * forward), in float64, at one index of one argument.

        gradient: a name in outputs, such as "dx". Raises ValueError where this step is no backward call, or draws random numbers.
        """
        from minigpt.gradients import local_difference

        return local_difference(self, gradient, at)

    def largest(self, gradient: str) -> tuple[int, ...]:
        """The index of a gradient's largest number."""
        array = self.outputs[gradient]
        return tuple(int(i) for i in np.unravel_index(np.abs(array).argmax(), array.shape))

    def __str__(self) -> str:
        from minigpt.show import step_text

        return step_text(self)

    def _repr_markdown_(self) -> str:
        from minigpt.show import step_markdown

        return step_markdown(self)

    def plot(self):
        """Heatmaps of what went in and what came out: a matplotlib figure."""
        from minigpt.show import step_figure

        return step_figure(self)


class Recorder:
    """A copy of a model whose functions write down each call in `steps`."""

    def __init__(self, model: GPT, ops: ModuleType | SimpleNamespace, targets: np.ndarray):
        self.steps: list[Step] = []
        self.focus = len(targets), int(np.flatnonzero(targets != -1)[-1])
        self.scope, self.depth, self.stream = [""], 0, None
        params = {name: np.array(array) for name, array in model.params.items()}  # as they are now: training moves them in place
        self.names = {id(array): name for name, array in params.items()}
        self.forwards: dict[int, Step] = {}  # id of a cache -> the forward that made it
        self.kept: list[object] = []  # the caches themselves: an id is only an id while its object lives
        self.model = GPT(model.config, ops=recording(ops, self.record), params=params)
        for method in (
            "block_forward",
            "_attention_forward",
            "_mlp_forward",
            "block_backward",
            "_attention_backward",
            "_mlp_backward",
        ):
            setattr(self.model, method, self._scoped(method, getattr(self.model, method)))
        self.model._layer_norm_backward = self._joined(self.model._layer_norm_backward)

    # ---- calls of functions of the contract

    def record(self, name: str, function: Callable) -> Callable:
        """A function that does what `function` does, and writes it down."""
        parameters = inspect.signature(function).parameters
        defaults = {key: value.default for key, value in parameters.items() if value.default is not value.empty}

        @wraps(function)
        def called(*args, **kwargs):
            given = dict(zip(parameters, args, strict=False)) | kwargs
            inputs = {key: (defaults | given)[key] for key in parameters}
            forward = self.forwards.get(id(inputs.get("cache")))
            if name == "dropout_forward" and self.scope == [""]:
                self._embedded(inputs["x"])
            if (name == "dropout_forward" and not inputs["p"]) or (name == "dropout_backward" and forward is None):
                return function(*args, **kwargs)  # off: nothing to see
            where = forward.name if forward else self._place(name, inputs)
            at = len(self.steps)
            self.steps.append(None)  # its place is before those it calls
            self.scope.append(where)
            self.depth += 1
            result = function(*args, **kwargs)
            self.depth -= 1
            self.scope.pop()
            self._write(at, where, name, inputs, result, forward)
            return result

        return called

    def _write(self, at: int, where: str, name: str, inputs: dict, result: object, forward: Step | None) -> None:
        if name.endswith("_forward"):
            out, cache = result
            self.steps[at] = Step(at, "forward", where, name, self.depth, inputs, {"out": _copy(out)}, fields(cache), self.focus)
            self.forwards[id(cache)] = self.steps[at]
            self.kept.append(cache)
            return
        if forward is None:  # sinusoidal_positions
            self.steps[at] = Step(at, "forward", where, name, self.depth, inputs, {"out": _copy(result)}, {}, self.focus)
            return
        results = result if isinstance(result, tuple) else (result,)
        gradients = {f"d{name}": _copy(g) for name, g in zip(differentiable(forward), results, strict=True)}
        dout = {key: value for key, value in inputs.items() if key != "cache"}
        self.steps[at] = Step(at, "backward", where, name, self.depth, dout | forward.inputs, gradients, forward.cache, self.focus)

    def _place(self, function: str, inputs: dict) -> str:
        """The part of the model: by the parameter that goes in, or by who called."""
        for value in inputs.values():
            owner = self.names.get(id(value)) or self.names.get(id(getattr(value, "base", None)))
            if owner and function in ("linear_forward", "layer_norm_forward", "embedding_forward"):
                return "head" if function == "linear_forward" and owner == "wte.weight" else owner.rpartition(".")[0]
        stem = function.removesuffix("_forward")
        own = {"cross_entropy": "loss", "sinusoidal_positions": "wpe"}
        part = {"mlp": "", "multi_head_attention": ".heads"}.get(stem, f".{stem}")
        return own.get(stem, f"{self.scope[-1] or 'embed'}{part}")

    # ---- the residual sums, which are no function of the contract

    def _scoped(self, method: str, function: Callable) -> Callable:
        part = method.strip("_").split("_")[0]  # block, attention, mlp
        pre, forward = self.model.config.norm == "pre", method.endswith("forward")

        def called(x, *args):
            i = args[0] if forward else args[1]
            self.scope.append(f"h.{i}" + {"block": "", "attention": ".attn", "mlp": ".mlp"}[part])
            if part == "block" or not pre:
                self.stream = x
            result = function(x, *args)
            self.scope.pop()
            if part != "block" and (forward or not pre):
                self._sum(
                    self.scope[-1] + (".sum_1" if part == "attention" else ".sum_2"), result[0] if forward else result, forward
                )
            return result

        return called

    def _joined(self, function: Callable) -> Callable:
        """Pre-LN, backward: the gradient through layer norm joins the one that went round."""

        def called(dout, cache, name, grads):
            result = function(dout, cache, name, grads)
            if self.model.config.norm == "pre" and name != "ln_f":
                self._sum(name.replace("ln_", "sum_"), result, False)
            return result

        return called

    def _sum(self, name: str, added: np.ndarray, forward: bool) -> None:
        total = self.stream + added
        names = ("x", "added", "out") if forward else ("dout", "through", "dx")
        inputs = {names[0]: _copy(self.stream), names[1]: _copy(added)}
        direction = "forward" if forward else "backward"
        self.steps.append(Step(len(self.steps), direction, name, "add", 0, inputs, {names[2]: total}, {}, self.focus))
        self.stream = total

    def _embedded(self, x: np.ndarray) -> None:
        """Tokens and positions have been looked up, and their sum is on its way into the first block."""
        inputs = {"tokens": self.steps[-2].out, "positions": self.steps[-1].out}
        self.steps.append(Step(len(self.steps), "forward", "embed", "add", 0, inputs, {"out": _copy(x)}, {}, self.focus))


def recording(ops: ModuleType | SimpleNamespace, record: Callable[[str, Callable], Callable]) -> SimpleNamespace:
    """ops with every function wrapped by record(name, function), also where the reference's functions call one another."""
    wrapped: dict[str, Callable] = {}
    composed = {file: copied(inspect.getmodule(getattr(load_ops("numpy"), f"{file}_forward"))) for file in MADE_OF_OTHERS}
    for name in sorted(CONTRACT, key=lambda name: _rank(name)):
        function, file = getattr(ops, name), _stem(name)
        if file in composed and function.__module__ == f"minigpt.layers.{file}":
            vars(composed[file]).update({other: wrapped[other] for other in wrapped if other in vars(composed[file])})
            function = getattr(composed[file], name)
        wrapped[name] = record(name, function)
    return SimpleNamespace(**wrapped, own=CONTRACT)


def _rank(name: str) -> int:
    """Those that are made of others come after those."""
    return MADE_OF_OTHERS.index(_stem(name)) + 1 if _stem(name) in MADE_OF_OTHERS else 0


def _stem(name: str) -> str:
    return name.removesuffix("_forward").removesuffix("_backward")


def differentiable(step: Step) -> list[str]:
    """The arguments that a backward returns gradients of, in order."""
    return {"cross_entropy": ["logits"], "embedding": ["weight"]}.get(
        _stem(step.function),
        [name for name in step.inputs if name in ARRAYS],
    )


ARRAYS = ("x", "qkv", "q", "k", "v", "weight", "bias", "fc_weight", "fc_bias", "proj_weight", "proj_bias")


def fields(cache: object) -> dict[str, object]:
    """The arrays in a cache, those of inner caches under "inner.field"."""
    if isinstance(cache, np.ndarray) or np.isscalar(cache):
        return {"kept": cache}
    if not isinstance(cache, tuple):
        return {}
    names = getattr(cache, "_fields", [str(i) for i in range(len(cache))])
    found: dict[str, object] = {}
    for name, value in zip(names, cache, strict=True):
        if isinstance(value, tuple):
            found |= {f"{name}.{inner}": array for inner, array in fields(value).items()}
        elif isinstance(value, np.ndarray):
            found[name] = value
    return found


def _copy(value: object) -> np.ndarray | None:
    """What came out, as it was then: the model adds to gradients in place."""
    return None if value is None else np.array(value)
