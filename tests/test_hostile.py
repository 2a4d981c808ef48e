"""Tests that a wrong learner's file never passes the check.

It fails whatever it does; a right file passes whatever it prints.
"""

import sys

import hostile_files
import pytest
from hostile_files import HOSTILE, IMAGINARY, learner_file, problems, run

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the files use fork, signals and /proc"
)

QUICK = {  # the others are slow: minutes in total
    "os._exit(0), in the forward",
    "sys.exit(0), at import",
    "SIGTERM to the command, then a loop, in the forward",
    "an endless loop, in the forward",
    "a false verdict on both streams",
    "BrokenPipeError as the answer to the import",
    "keys that all collide",
    "a child that leaves its group, and a loop",
    "every file of the package ends the command",
    "a standard module in the current folder ends the command",
    "an error whose text raises, in the forward",
    "a list 10**5 deep",
}
CASES = [
    pytest.param(one, id=one.kind, marks=() if one.kind in QUICK else pytest.mark.slow)
    for one in HOSTILE
]
RIGHT = {"forward": "return np.maximum(x, 0), x", "backward": "return dout * (cache > 0)"}


@pytest.mark.parametrize("one", CASES)
def test_a_wrong_file_does_not_pass(one):
    outcome = run(one.source)
    assert not problems(one, outcome), outcome


def test_the_table():
    kinds = [one.kind for one in HOSTILE]
    assert (
        len(kinds) >= 59
        and len(set(kinds)) == len(kinds)
        and set(kinds) >= QUICK | hostile_files.ESCAPES
    )
    for one in HOSTILE:
        compile(one.source, one.kind, "exec")


def test_an_imaginary_part_does_not_pass_the_checks_of_one_function():
    outcome = run(IMAGINARY, "relu")
    assert outcome.status == 1 and "checks failed" in outcome.last


NOISY = {
    "silent": learner_file(**RIGHT),
    "prints": learner_file(
        "print('ready')", f"print('forward', x.shape)\n{RIGHT['forward']}", RIGHT["backward"]
    ),
    "prints a lot": learner_file("for n in range(10000): print('x' * 100)", **RIGHT),
    "warns, and leaves a thread": learner_file(
        "import warnings\nthreading.Thread(target=time.sleep, args=(60,)).start()",
        f"warnings.warn('hm')\nnp.log(np.zeros(1))\n{RIGHT['forward']}",
        RIGHT["backward"],
    ),
}


@pytest.mark.parametrize("source", NOISY.values(), ids=NOISY.keys())
def test_a_right_file_passes(source):
    outcome = run(source)
    assert outcome.status == 0 and not outcome.left, outcome
    assert "0 checks failed" in outcome.out and "error:" not in outcome.err
