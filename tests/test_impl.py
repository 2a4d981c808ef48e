"""The checks on a file or folder of a learner's: `pytest --impl work/` runs these tests alone."""

from minigpt import checks
from minigpt.ops import load_ops


def pytest_generate_tests(metafunc):
    ops = load_ops(metafunc.config.getoption("--impl"))
    chosen = [check for check in checks.LAYER_CHECKS if check not in checks.BAD_INPUT_CHECKS]
    mine = checks.checks_of(ops.own, chosen)
    metafunc.parametrize("check", mine, ids=lambda check: check.name)
    metafunc.parametrize("subject", [checks.everything(ops)], ids=[""])


def test_impl(check, subject):
    report = checks.perform(check, subject)
    assert report.passed, "\n".join(str(line) for line in report.lines if line.problem)
