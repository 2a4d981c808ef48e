"""Tests of stopping a run: a signal loses nothing.

Only one process uses a directory, and a learner's file cannot report success.
"""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from conftest import TEXT, TINY_MODEL, TINY_TRAIN
from minigpt import layers
from minigpt.text.data import TextData
from minigpt.training.checkpoint import load_checkpoint
from minigpt.training.lock import locked
from minigpt.training.log import LOG, read_log
from minigpt.training.loop import train
from minigpt.training.run import new_run, resume_run
from minigpt.training.settings import TrainSettings
from minigpt.training.stopping import Stop, Stopped, stops

SIGNALS = [signal.SIGINT, signal.SIGTERM]


class Endless:
    """The reference, but its n-th call of one function never returns.

    It sends a signal first: only an exception ends it.
    """

    def __init__(self, function: str, call: int, number: int):
        self.function, self.call, self.number, self.calls = function, call, number, 0

    def __getattr__(self, name: str):
        real = getattr(layers, name)
        if name != self.function:
            return real

        def function(*args, **kwargs):
            self.calls += 1
            if self.calls == self.call:
                os.kill(os.getpid(), self.number)
                while True:
                    pass
            return real(*args, **kwargs)

        return function


# calls of one evaluation: 2 splits x 2 batches, and 5 tokens of a sample; then one per step
PLACES = [
    ("cross_entropy_forward", 1, 0),  # the first evaluation
    ("cross_entropy_forward", 3, 0),
    ("embedding_forward", 11, 0),  # the sample
    ("cross_entropy_forward", 5, 0),  # the first step, forward
    ("layer_norm_backward", 1, 0),  # and backward
    ("mlp_backward", 4, 3),  # a later step
    ("cross_entropy_forward", 9, 4),  # the second evaluation
]


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("function, call, step", PLACES)
def test_a_signal_in_any_place_stops_the_run_and_loses_nothing(
    tmp_path, tiny_run, function, call, step, number
):
    whole = tiny_run("whole")
    train(whole, show=False)
    data = TextData(str(tmp_path / "text.txt"), TEXT)
    run = new_run(tmp_path / "run", data, TINY_MODEL, TrainSettings(**TINY_TRAIN))
    run.model.ops = Endless(function, call, number)
    assert not train(run, show=False)
    assert run.step == step and load_checkpoint(run.out).step == step
    assert signal.getsignal(number) in (signal.default_int_handler, signal.SIG_DFL)
    assert train(resume_run(run.out), show=False)
    for name, array in load_checkpoint(whole.out).params.items():
        np.testing.assert_array_equal(load_checkpoint(run.out).params[name], array)
    assert read_log(run.out / LOG) == read_log(whole.out / LOG)


def test_a_stop_in_the_last_evaluation_is_not_the_end(tmp_path, tiny_run):
    run = tiny_run("run", max_iters=1)
    run.model.ops = Endless("cross_entropy_forward", 6, signal.SIGTERM)
    assert not train(run, show=False)
    assert run.step == 1 and len(read_log(run.out / LOG)) == 2
    assert train(resume_run(run.out), show=False)


def test_outside_an_interruptible_part_a_signal_waits():
    with stops() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.asked
        with pytest.raises(Stopped), stop.interruptible():
            raise AssertionError("not reached")
        with pytest.raises(KeyboardInterrupt):  # at the second signal, at once
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0)


def test_a_stop_is_not_caught_by_except_exception():
    stop = Stop()
    with pytest.raises(Stopped), stop.interruptible():
        try:
            stop.ask()
        except Exception:
            raise AssertionError("caught") from None


# ---- one process in a directory

SHAPE = ["--n-layer", "1", "--n-head", "2", "--n-embd", "8", "--block-size", "16"]
FLAGS_WITHOUT_OPS = [*SHAPE, *["--batch-size", "4", "--max-iters", "3", "--quiet"]]
FLAGS = [*FLAGS_WITHOUT_OPS, "--ops", "numpy"]


def minigpt(*argv: str, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "minigpt", *map(str, argv)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", **options)


def test_a_second_process_says_who_has_the_directory(tmp_path, text_file):
    out = tmp_path / "run"
    with locked(out):
        for more in ([], ["--resume"]):
            second = minigpt("train", "--data", text_file, "--out", out, *FLAGS, *more)
            assert second.returncode == 1 and second.stderr.count("\n") == 1
            assert f"{out}: in use by process {os.getpid()} on " in second.stderr
        assert sorted(path.name for path in out.iterdir()) == [".lock"]
    assert minigpt("train", "--data", text_file, "--out", out, *FLAGS).returncode == 0


HOLD = """
import sys, time
from pathlib import Path
from minigpt.training.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_lock_goes_with_its_process(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        with (
            pytest.raises(BlockingIOError, match=f"in use by process {process.pid}"),
            locked(tmp_path),
        ):
            pass
        process.kill()
        process.wait()
    with locked(tmp_path):
        pass


# ---- a learner's file in a command

ENDINGS = {
    "os._exit": "import os\ndef relu_forward(x):\n    os._exit(0)\n",
    "at import": "import os\nos._exit(0)\ndef relu_forward(x): pass\n",
    "sys.exit": "import sys\ndef relu_forward(x):\n    sys.exit(0)\n",
    "SystemExit": "def relu_forward(x):\n    raise SystemExit\n",
    "SystemExit at import": "raise SystemExit(0)\ndef relu_forward(x): pass\n",
    "thread": "import os, threading, time\nthreading.Thread(target=os._exit, args=(0,)).start()\n"
    "time.sleep(9)\ndef relu_forward(x): pass\n",
    "signal": "import os\ndef relu_forward(x):\n    os.kill(os.getpid(), 9)\n",
}


@pytest.mark.parametrize("kind", ENDINGS)
def test_a_file_that_ends_the_program_fails_the_command(tmp_path, text_file, kind):
    mine = tmp_path / "mine.py"
    mine.write_text(ENDINGS[kind], encoding="utf-8")
    flags = [*FLAGS_WITHOUT_OPS, "--activation", "relu", "--ops", mine]
    result = minigpt("train", "--data", text_file, "--out", tmp_path / "run", *flags)
    assert result.returncode not in (0, 2), result.stdout
    assert "Traceback" not in result.stderr
    assert kind == "signal" or "minigpt train: error: " in result.stderr


def test_an_exit_that_comes_after_the_command_is_finished_changes_nothing(tmp_path, text_file):
    """An exit after the command is finished changes nothing.

    atexit runs too late: the command has already reported its status.
    """
    mine = tmp_path / "mine.py"
    mine.write_text(
        "import atexit, os\n"
        "import numpy as np\n"
        "atexit.register(os._exit, 3)\n"
        "def relu_forward(x):\n    return np.maximum(x, 0), x > 0\n"
        "def relu_backward(dout, cache):\n    return dout * cache\n"
    )
    flags = [*FLAGS_WITHOUT_OPS, "--activation", "relu", "--ops", mine]
    assert minigpt("train", "--data", text_file, "--out", tmp_path / "run", *flags).returncode == 3


SLOW = """
import time
def relu_forward(x):
    print("in", flush=True)
    while True:
        time.sleep(0.01)
def relu_backward(dout, cache): return dout
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_reaches_a_learners_function(tmp_path, text_file, number):
    """A signal stops a learner's function.

    In the process below, the run stops inside the function and is saved.
    """
    mine, out = tmp_path / "mine.py", tmp_path / "run"
    mine.write_text(SLOW, encoding="utf-8")
    flags = [*FLAGS_WITHOUT_OPS, "--activation", "relu", "--ops", str(mine)]
    paths = ["--data", str(text_file), "--out", str(out)]
    command = [sys.executable, *["-m", "minigpt", "train"], *paths, *flags]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        while process.stdout.readline() != "in\n":
            assert process.poll() is None
        process.send_signal(number)
        printed, errors = process.communicate()
    assert process.returncode == 0 and "saved in" in printed, errors
    assert load_checkpoint(out).step == 0
