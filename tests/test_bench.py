"""The benchmark's machinery, on work so small that its figures mean nothing."""

import pytest

pytest.importorskip("numba")

from minigpt.bench import report
from minigpt.bench.cases import GROUPS, Case
from minigpt.bench.run import Result, measure
from minigpt.cli import main

TINY = Case("matmul", "tiny", "matmul", ("y", 4, 5, 6, False), 240.0, ("numba", "numpy"), 2)


def test_two_peers_in_processes_of_their_own():
    (result,) = measure([TINY])
    assert all(len(times) == 2 and min(times) > 0 for times in result.seconds.values())
    assert result.ratio("numpy") > 0 and "tiny" in report.line(result, 100.0)


def test_the_ratio_is_taken_within_a_round():
    """The second round saw bad weather, for both: the ratio is that of each round, not of the
    medians.
    """
    result = Result(TINY, {"numba": [1.0, 10.0, 1.0], "numpy": [2.0, 20.0, 2.2]})
    assert result.ratio("numpy") == 2.0
    assert "x2.00 (geometric mean of 1; least x2.00)" in report.summary([result])[0]
    text = report.markdown([result], {"cores": 2}, 100.0, 30.0, ["more"], "minigpt bench")
    assert "| tiny |" in text and "| 2.00 | 2.00 |" in text and "* cores: 2" in text


def test_every_case_has_a_label_of_its_own():
    labels = [(group, case.label) for group, cases in GROUPS.items() for case in cases()]
    assert len(set(labels)) == len(labels)


def test_an_unknown_group(capsys):
    assert main(["bench", "nothing"]) == 1
    assert "there is no benchmark 'nothing'; give some of matmul, gelu" in capsys.readouterr().err
