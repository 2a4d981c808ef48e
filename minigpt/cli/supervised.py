"""Run a command that uses a learner's file in a child process.

The learner's file can end that process, but cannot report success. The exit status is not enough:
os._exit(0) in the middle of a step gives 0 too. So the child writes its status into a file as the
last thing it does. If that file is empty, the child was ended before.
"""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType

from minigpt.ops import NAMES

ENDING = "MINIGPT_ENDING"  # the file for the status, in the environment of the process below
RUN_IN_THEIR_OWN_WAY = ("check", "formulas")  # check has a judge of its own (grading/remote.py)


def is_needed(command: str, ops: str | None) -> bool:
    """Whether a command runs a learner's file outside a child process."""
    return (
        ops is not None
        and ops not in NAMES
        and command not in RUN_IN_THEIR_OWN_WAY
        and ENDING not in os.environ
    )


def say_ending(status: int) -> None:
    """Report the status of a finished command to the parent."""
    if ENDING in os.environ:
        Path(os.environ[ENDING]).write_text(str(status), encoding="utf-8")


def run(argv: list[str], command: str, ops: str) -> int:
    """Run the same command in a child process.

    Returns its status; not 0 if it was ended before it was finished.
    """
    with tempfile.TemporaryDirectory() as folder:
        ending = Path(folder, "status")
        environment = os.environ | {
            ENDING: str(ending),
            "PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path),
        }
        # Ctrl-C then comes here alone, and is passed on once
        own_group = {"process_group": 0} if os.name == "posix" else {}
        process = subprocess.Popen(
            [sys.executable, "-m", "minigpt", *argv], env=environment, **own_group
        )
        status = _wait(process)
        said = ending.read_text(encoding="utf-8") if ending.is_file() else ""
    if not said and status == 0:
        print(
            f"minigpt {command}: error: {ops} ended the program before the command was finished",
            file=sys.stderr,
        )
        return 1
    return status if status > 0 else 128 - status if status < 0 else int(said)


def _wait(process: subprocess.Popen) -> int:
    """The status of a process.

    The first signal that asks for a stop is passed on; a second one ends it.
    """
    asked = False

    def pass_on(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if process.poll() is None:
            process.kill() if asked else process.send_signal(number)
        asked = True

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
