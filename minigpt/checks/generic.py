"""The checks that every pair of functions must pass, on every case of cases.py:

values     forward and backward equal the loops of by_hand.py
gradient   the backward equals central differences of the forward, for every input and parameter, at 1e-6
float32    float32 in, float32 out; as exact as NumPy is in float32, within a factor of 2
pure       inputs stay as they are; the same call gives the same bits; a later call does not disturb an earlier one's cache;
           an array that is not contiguous gives the same numbers
"""

import numpy as np

from minigpt import by_hand, layers
from minigpt.checks.cases import CASES, Case
from minigpt.checks.core import Check, Line, equal, none, numerical_gradient, true

FLOOR = 1e-3  # below this size, a gradient's error is absolute: some true gradients are 0


def generic_checks() -> list[Check]:
    """Four checks for each pair of functions; but no values for dropout, where every right mask is as good as another."""
    checks = []
    for function, cases in CASES.items():
        both = (f"{function}_forward", f"{function}_backward")
        for kind, (about, call, judge) in KINDS.items():
            checks.append(
                Check(
                    f"{function}.{kind}",
                    f"{function}: {about}",
                    both,
                    inputs=_inputs(function, cases),
                    call=call,
                    judge=judge,
                )
            )
    return checks


def _inputs(function: str, cases):
    def inputs(rng: np.random.Generator) -> dict:
        made = cases(rng)
        shapes = [np.shape(case.forward(by_hand, function)[0]) for case in made]
        return {"function": function, "cases": made, "douts": [rng.standard_normal(shape) for shape in shapes]}

    return inputs


def _call_values(subject: object, function: str, cases: list[Case], douts: list) -> dict:
    outputs = {}
    for case, dout in zip(cases, douts, strict=True):
        if case.seed is None:
            out, cache = case.forward(subject, function)
            outputs[f"{case.label}: out"] = out
            gradients = case.backward(subject, function, _upstream(dout), cache)
            outputs |= {f"{case.label}: d{name}": gradient for name, gradient in gradients.items()}
    return outputs


def _judge_values(outputs: dict, function: str, cases: list[Case], douts: list) -> list[Line]:
    wanted = _call_values(by_hand, function, cases, douts)
    return [_compare(f"{function} {tensor}", outputs[tensor], want, 1e-9) for tensor, want in wanted.items()]


def _call_gradient(subject: object, function: str, cases: list[Case], douts: list) -> dict:
    outputs = {}
    for case, dout in zip(cases, douts, strict=True):
        out, cache = case.forward(subject, function)
        outputs[f"{case.label}: out"] = out
        gradients = case.backward(subject, function, _upstream(dout), cache)
        for name, gradient in gradients.items():
            outputs[f"{case.label}: d{name}"] = gradient
            outputs[f"{case.label}: numerical d{name}"] = _numerical(subject, function, case, dout, name)
    return outputs


def _numerical(subject: object, function: str, case: Case, dout: np.ndarray, name: str) -> np.ndarray | None:
    """The gradient of sum(out * dout) by central differences of the subject's own forward."""
    if case.arguments[name] is None:
        return None

    def scalar(value: np.ndarray) -> float:
        return float(np.sum(case.forward(subject, function, **{name: value})[0] * dout))

    return numerical_gradient(scalar, case.arguments[name])


def _judge_gradient(outputs: dict, function: str, cases: list[Case], douts: list) -> list[Line]:
    lines = []
    for case, dout in zip(cases, douts, strict=True):
        out = outputs[f"{case.label}: out"]
        lines.append(
            true(f"{function} {case.label}: out's shape", np.shape(out) == np.shape(dout), np.shape(out), str(np.shape(dout)))
        )
        for name in case.wrt:
            got, want = outputs[f"{case.label}: d{name}"], outputs[f"{case.label}: numerical d{name}"]
            lines.append(equal(f"{function} {case.label}: d{name}", got, want, 1e-6, FLOOR))
    return lines


def _call_float32(subject: object, function: str, cases: list[Case], douts: list) -> dict:
    small = [case.as_dtype(np.float32) for case in cases]
    return _call_values(subject, function, small, [dout.astype(np.float32) if np.ndim(dout) else dout for dout in douts])


def _judge_float32(outputs: dict, function: str, cases: list[Case], douts: list) -> list[Line]:
    """max|got - float64| <= 2 max|NumPy's float32 - float64| + a few units in the last place."""
    small = [case.as_dtype(np.float32) for case in cases]
    small_douts = [dout.astype(np.float32) if np.ndim(dout) else dout for dout in douts]
    exact = _call_values(layers, function, [case.as_dtype(np.float64) for case in small], [np.float64(d) for d in small_douts])
    numpy32 = _call_values(layers, function, small, small_douts)
    lines = []
    for tensor, want in exact.items():
        got, name = outputs[tensor], f"{function} {tensor}, float32"
        if want is None:
            lines.append(none(name, got))
            continue
        dtype = getattr(got, "dtype", type(got).__name__)
        if dtype != np.float32:
            lines.append(
                Line(name, str(dtype), "float32", np.inf, 0.0, f"has dtype {dtype}, but must be float32, as the inputs are")
            )
            continue
        scale = float(np.abs(want).max()) + 1.0
        allowed = 2 * float(np.abs(numpy32[tensor] - want).max()) + 8 * float(np.finfo(np.float32).eps) * scale
        lines.append(equal(name, got / scale, want / scale, allowed / scale, floor=1.0))
    return lines


def _call_pure(subject: object, function: str, cases: list[Case], douts: list) -> dict:
    outputs = {}
    for i, (case, dout) in enumerate(zip(cases, douts, strict=True)):
        before = {name: np.copy(value) for name, value in case.arguments.items() if isinstance(value, np.ndarray)}
        upstream = _upstream(dout)
        out, cache = case.forward(subject, function)
        kept = np.copy(out)
        other, other_dout = cases[i - 1], douts[i - 1]
        _, other_cache = other.forward(subject, function)  # between this forward and its backward, another call
        other.backward(subject, function, _upstream(other_dout), other_cache)
        gradients = case.backward(subject, function, upstream, cache)
        again, again_cache = case.forward(subject, function)
        gradients_again = case.backward(subject, function, upstream, again_cache)
        strided, strided_cache = _strided(case).forward(subject, function)
        gradients_strided = case.backward(subject, function, _spread(dout), strided_cache)
        outputs[case.label] = {
            "changed": [name for name, value in before.items() if not np.array_equal(value, case.arguments[name])],
            "dout changed": bool(np.ndim(dout)) and not np.array_equal(upstream, dout),
            "overwritten": not np.array_equal(kept, out),
            "same": np.array_equal(kept, again) and all(_same(gradients[name], gradients_again[name]) for name in gradients),
            "strided": [(strided, kept)] + [(gradients_strided[name], gradients[name]) for name in gradients],
        }
    return outputs


def _judge_pure(outputs: dict, function: str, cases: list[Case], douts: list) -> list[Line]:
    lines = []
    for label, facts in outputs.items():
        name = f"{function} {label}"
        lines.append(
            true(f"{name}: inputs that were modified", not facts["changed"], ", ".join(facts["changed"]) or "none", "none")
        )
        lines.append(true(f"{name}: dout modified", not facts["dout changed"], facts["dout changed"], "False"))
        lines.append(true(f"{name}: overwritten later", not facts["overwritten"], facts["overwritten"], "False"))
        lines.append(true(f"{name}: same bits again", facts["same"], facts["same"], "True"))
        for got, want in facts["strided"]:
            lines.append(_compare(f"{name}: non-contiguous", got, want, 1e-12))
    return lines


def _upstream(dout: object) -> object:
    """A gradient to hand in: a float for a scalar, else a copy, so that one that is modified is noticed."""
    return float(dout) if np.ndim(dout) == 0 else np.copy(dout)


def _spread(array: object) -> object:
    """An equal array with gaps between its elements in memory; what is no array stays."""
    if np.ndim(array) == 0:
        return array
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]


def _strided(case: Case) -> Case:
    return case._replace(arguments={name: _spread(value) for name, value in case.arguments.items()})


def _same(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    return a is b or np.array_equal(a, b)


def _compare(tensor: str, got: object, want: object, tolerance: float) -> Line:
    return none(tensor, got) if want is None else equal(tensor, got, want, tolerance)


KINDS = {
    "values": ("equals the formula by hand", _call_values, _judge_values),
    "gradient": ("the backward is the derivative of the forward", _call_gradient, _judge_gradient),
    "float32": ("keeps float32, and its precision", _call_float32, _judge_float32),
    "pure": ("keeps its inputs, and no state", _call_pure, _judge_pure),
}
