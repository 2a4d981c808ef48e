"""Tests of the checks: reference, loops and library pass them."""

import numpy as np
import pytest

from minigpt import by_hand, checks, layers
from minigpt.checks.cases import CASES
from minigpt.checks.model_checks import GRADIENT_MODELS
from minigpt.checks.more_shapes import count_cases
from minigpt.checks.spread import ARGUMENTS
from minigpt.parameters import parameter_shapes

HAND_CHECKS = [check for check in checks.LAYER_CHECKS if checks.asked_of_by_hand(check)]
LIBRARY = checks.everything()


def expect_passed(report: checks.Report) -> None:
    assert report.passed, (
        "\n".join(str(line) for line in report.lines if line.problem)
        or "no line: nothing was checked"
    )


@pytest.mark.parametrize("check", checks.LAYER_CHECKS, ids=lambda check: check.name)
def test_reference(check):
    expect_passed(checks.perform(check, LIBRARY))


@pytest.mark.parametrize("check", HAND_CHECKS, ids=lambda check: check.name)
def test_by_hand(check):
    expect_passed(checks.perform(check, by_hand))


@pytest.mark.parametrize("check", checks.LIBRARY_CHECKS, ids=lambda check: check.name)
def test_library(check):
    expect_passed(checks.perform(check, LIBRARY))


@pytest.mark.parametrize(
    "check",
    [c for c in checks.ALL_CHECKS if not c.name.startswith("model.gradient")],
    ids=lambda c: c.name,
)
def test_other_seed(check):
    """The right code passes on inputs of another seed."""
    expect_passed(checks.perform(check, LIBRARY, seed=20))


def test_names_are_unique():
    names = [check.name for check in checks.ALL_CHECKS]
    assert len(set(names)) == len(names)


def test_every_function_of_the_contract_is_checked():
    called = {function for check in checks.LAYER_CHECKS for function in check.functions}
    assert set(layers.__all__) <= called


def test_every_pair_has_every_kind_of_check():
    names = {check.name for check in checks.LAYER_CHECKS}
    kinds = "values backward gradient float32 float32_backward pure bad_input"
    kinds += " ones long options layouts nan sharing"
    for name in layers.__all__:
        if name.endswith("_backward"):
            for kind in kinds.split():
                assert f"{name.removesuffix('_backward')}.{kind}" in names


def test_the_axes_are_generated_from_the_contract():
    """Every pair has its shapes stated, and several hundred calls are generated."""
    assert set(ARGUMENTS) == {
        name.removesuffix("_backward") for name in layers.__all__ if name.endswith("_backward")
    }
    assert count_cases() >= 300


@pytest.mark.parametrize("function", CASES)
def test_gradients_are_tested_on_every_input(function):
    """A gradient check has a line for each differentiable argument.

    It has one for each case, and one for the output's shape.
    """
    (check,) = checks.select([f"{function}.gradient"])
    cases = check.inputs(np.random.default_rng(0))["cases"]
    assert len(checks.perform(check, layers).lines) == sum(len(case.wrt) + 1 for case in cases)


@pytest.mark.parametrize("kind", GRADIENT_MODELS)
def test_gradients_are_tested_on_every_parameter(kind):
    """A model's gradient check has a line for each parameter."""
    (check,) = checks.select([f"model.gradient_{kind}"])
    inputs = check.inputs(np.random.default_rng(0))
    outputs = {
        f"{prefix}d{name}": np.zeros(a.shape)
        for name, a in inputs["params"].items()
        for prefix in ("", "numerical ")
    }
    assert len(check.judge(outputs, **inputs)) == len(parameter_shapes(GRADIENT_MODELS[kind]))
