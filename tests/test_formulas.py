"""Tests of formulas: every one holds in every implementation.

Every refuted one is refuted by the printed number.
"""

import numpy as np
import pytest

from minigpt import layers
from minigpt.cli import main
from minigpt.formulas import FORMULAS, REFUTED, formula, formula_of, refutation
from minigpt.formulas.core import Formula, difference


@pytest.mark.parametrize("id", FORMULAS)
def test_it_holds(id):
    one = FORMULAS[id]
    rows = one.rows()
    assert len(rows) >= 2, "one way to evaluate a formula shows nothing"
    assert all(row.passed for row in rows), str(one)
    assert all(np.isfinite(row.value).all() for row in rows)


@pytest.mark.parametrize("id", REFUTED)
def test_it_is_refuted(id):
    assert REFUTED[id].holds(), str(REFUTED[id])


@pytest.mark.parametrize("one", [*FORMULAS.values(), *REFUTED.values()], ids=lambda one: one.id)
def test_it_says_where_it_is_from(one):
    assert all(len(text) > 3 for text in one if isinstance(text, str)), "every field is filled in"
    assert one.latex.count("{") == one.latex.count("}") and "$" not in one.latex
    markdown = one._repr_markdown_()
    assert f"$${one.latex}$$" in markdown and one.source in markdown and str(one).isascii()


def test_there_are_enough():
    assert len(FORMULAS) >= 40 and len(REFUTED) >= 10


def test_every_function_of_the_contract_has_a_formula():
    for name in layers.__all__:
        assert name in {function for one in FORMULAS.values() for function in one.functions}, name
        assert formula_of(name).functions[0] == name


def test_every_gradient_is_tested_by_central_differences():
    for one in FORMULAS.values():
        if ".backward" in one.id and one.id not in ("attention.backward_sum", "flash.backward_D"):
            assert "central differences" in one.others, one.id


def test_a_wrong_implementation_is_seen():
    """A function that is wrong by a factor makes a formula fail.

    The failure names the function.
    """
    for name in layers.__all__:
        wrong = {other: getattr(layers, other) for other in layers.__all__}
        wrong[name] = _scaled(wrong[name])
        subject = type("wrong", (), {key: staticmethod(value) for key, value in wrong.items()})
        failing = [
            one.id for one in FORMULAS.values() if one.evaluate and not one.rows(subject)[-1].passed
        ]
        assert failing, name


def _scaled(function):
    def wrong(*args, **kwargs):
        result = function(*args, **kwargs)
        if function.__name__.endswith("_forward"):
            return result[0] * 1.001, result[1]
        if isinstance(result, tuple):
            return tuple(None if one is None else one * 1.001 for one in result)
        return result * 1.001

    return wrong


def test_difference():
    assert difference(np.array([1.0, 2.0]), np.array([1.0, 2.0, 3.0])) == np.inf
    assert difference(np.array([np.nan]), np.array([1.0])) == np.inf
    assert difference(np.array([-np.inf]), np.array([-np.inf])) == 0.0
    assert difference(np.array([3.0]), np.array([1.0])) == 1.0


def test_unknown_ids():
    with pytest.raises(ValueError, match=r"did you mean softmax\.backward"):
        formula("softmax.backwards")
    with pytest.raises(ValueError, match=r"did you mean flash\.inverse_rescale"):
        refutation("flash.inverse")
    with pytest.raises(ValueError, match="no formula belongs to softmax"):
        formula_of("softmax")


def test_the_command(capsys, tmp_path):
    assert main(["formulas", "softmax"]) == 0
    printed = capsys.readouterr().out
    assert (
        "p_i = exp(z_i - m)" in printed and "3 formulas, 0 failed" in printed and "loops" in printed
    )
    assert "formulas --refuted" not in printed
    assert main(["formulas"]) == 0
    last = capsys.readouterr().out.splitlines()[-2:]
    assert last[0] == f"{len(FORMULAS)} formulas, 0 failed" and last[1].startswith(
        f"{len(REFUTED)} that circulate and are wrong"
    )
    assert main(["formulas", "--refuted", "flash"]) == 0
    assert "refuted" in capsys.readouterr().out
    assert main(["formulas", "nothing"]) == 1
    assert (
        "there is no formula 'nothing'; give one of adamw, add, attention"
        in capsys.readouterr().err
    )

    file = tmp_path / "mine.py"
    file.write_text(
        "import numpy as np\ndef relu_forward(x):\n    return np.maximum(x, 0.1), x > 0\n",
        encoding="utf-8",
    )
    assert main(["formulas", "relu", "--ops", str(file)]) == 1
    captured = capsys.readouterr()
    assert "1 of 2 formulas failed: relu.forward" in captured.err and "yours" in captured.out


def test_a_failing_formula_says_so():
    one = FORMULAS["relu.forward"]
    broken: Formula = one._replace(others={"golden": ("nowhere", lambda: np.zeros(9), 1e-9)})
    assert "FAIL" in str(broken) and "**FAIL**" in broken._repr_markdown_() and broken.error() > 1
