"""Compare a trace's gradients with central differences.

For one call, and for the loss of the whole model:

    dL/dx = (f(x + h) - f(x - h)) / 2h
    f = sum(dout * forward(x)) for a call, the loss for a parameter

It is computed in float64 with h = 6e-6. The error is about 1e-10 of the gradient
(minigpt/checks/core.py says why).
"""

import copy

import numpy as np

from minigpt.contract import pair_of
from minigpt.model import GPT
from minigpt.ops import in_double

H = 6e-6


def local_difference(step, gradient: str, at: tuple[int, ...]) -> float:
    """Return a number of a backward call's gradient by central differences.

    They are taken of its forward. See trace.Step.difference.
    """
    if step.direction != "backward" or gradient not in step.outputs:
        raise ValueError(
            f"step {step.index} ({step.name}, {step.function}) has no gradient {gradient!r}: "
            f"{', '.join(step.outputs)}"
        )
    if step.function == "add":
        # d(a + b) = da + db: no difference is needed
        return float(sum(value[at] for value in step.inputs.values()))
    if step.inputs.get("rng") is not None:
        raise ValueError(f"step {step.index} draws random numbers: a second call would draw others")
    forward = getattr(step.ops, pair_of(step.function).forward)
    names = list(step.inputs)
    dout = np.asarray(step.inputs[names[0]], dtype=np.float64)
    arguments = {name: _double(value) for name, value in step.inputs.items() if name != names[0]}
    return _slope(
        lambda moved: float((dout * forward(**arguments | {gradient[1:]: moved})[0]).sum()),
        arguments[gradient[1:]],
        at,
    )


def loss_difference(
    model: GPT, ids: np.ndarray, targets: np.ndarray, name: str, at: tuple[int, ...]
) -> float:
    """Return d loss / d params[name][at] by central differences, in float64.

    The whole model runs. ids, targets: (B, T).
    """
    params = {key: array.astype(np.float64) for key, array in model.params.items()}
    double = copy.copy(model)  # of the model's class, which may be a subclass of GPT
    double.ops = in_double(model.ops)

    def loss(moved):
        double.params = params | {name: moved}
        return float(double.loss(ids, targets)[0])

    return _slope(loss, params[name], at)


def _slope(f, x: np.ndarray, at: tuple[int, ...]) -> float:
    if not np.isfinite(x[at]):
        return 0.0  # a score of -inf, hidden by the mask: shifted a little, it is still -inf
    above, below = x.copy(), x.copy()
    above[at] += H
    below[at] -= H
    return (f(above) - f(below)) / (above[at] - below[at])


def _double(value: object) -> object:
    return (
        value.astype(np.float64)
        if isinstance(value, np.ndarray) and value.dtype.kind == "f"
        else value
    )
