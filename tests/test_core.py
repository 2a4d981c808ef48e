"""Tests of the judge: it must notice every kind of wrong output.

All other checks depend on it.
"""

import numpy as np
import pytest

from minigpt import checks
from minigpt.checks.core import Check, equal, none, numerical_gradient, perform, true


@pytest.mark.parametrize(
    ("got", "part_of_the_problem"),
    [
        (None, "is None"),
        ([1.0, 2.0], "is a list"),
        (np.ones(3), "shape (3,)"),
        (np.array([1.0, np.nan]), "NaN"),
        (np.array([1.0, np.inf]), "inf"),
        (np.array([1.0, 2.001]), "[1] is 2.001"),
        (np.array([[1.0, 2.0]]), "shape (1, 2)"),
    ],
)
def test_wrong_outputs_are_seen(got, part_of_the_problem):
    assert part_of_the_problem in equal("x", got, np.array([1.0, 2.0]), 1e-6).problem


def test_right_outputs_pass():
    assert not equal("x", np.array([1.0, np.inf]), np.array([1.0, np.inf])).problem
    assert not equal("x", np.float32(0.5), 0.5).problem
    assert not none("x", None).problem
    assert none("x", np.zeros(2)).problem
    assert true("x", False, 1, "2").problem


def test_the_floor_makes_small_errors_absolute():
    assert not equal("x", np.array([1e-12]), np.array([0.0]), 1e-6, 1e-3).problem
    assert equal("x", np.array([1e-8]), np.array([0.0]), 1e-6, 1e-3).problem


def test_a_check_without_lines_has_not_passed():
    empty = Check("empty", "", (), lambda rng: {}, lambda subject: {}, lambda outputs: [])
    assert not perform(empty, None).passed


def test_an_exception_is_a_failed_line_with_its_place():
    def call(subject):
        raise KeyError("lost")

    (line,) = perform(Check("raises", "", (), lambda rng: {}, call, lambda outputs: []), None).lines
    assert "KeyError" in line.problem and "test_core.py" in line.problem


def test_numerical_gradient_of_a_cube():
    x = np.array([[1.0, -2.0, 3.0]])
    np.testing.assert_allclose(
        numerical_gradient(lambda x: float((x**3).sum()), x), 3 * x**2, rtol=1e-9
    )


def test_select_by_function_and_name():
    assert {check.name for check in checks.select(["gelu.golden"])} == {"gelu.golden"}
    assert "gelu.golden" in {check.name for check in checks.select(["gelu_forward"])}
    with pytest.raises(ValueError, match="no check 'golu'"):
        checks.select(["golu"])


def test_a_forward_alone_is_not_judged_with_the_references_backward():
    chosen = checks.checks_of(["gelu_forward"], checks.LAYER_CHECKS)
    assert chosen and not any("gelu_backward" in check.functions for check in chosen)
    assert any(
        "gelu_backward" in check.functions
        for check in checks.checks_of(["gelu_forward", "gelu_backward"], checks.LAYER_CHECKS)
    )
