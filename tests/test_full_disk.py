"""Tests of a disk that fills up during a run.

There is an error that names the file and a whole checkpoint, and the run can be resumed.
"""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from conftest import TEXT, TINY_MODEL, TINY_TRAIN
from minigpt.text.data import TextData
from minigpt.training.checkpoint import checkpoints, load_checkpoint
from minigpt.training.log import LOG, read_log
from minigpt.training.loop import train
from minigpt.training.run import Run, new_run, resume_run
from minigpt.training.settings import TrainSettings


@pytest.fixture
def small_disk(tmp_path: Path):
    """A folder on a separate small disk; small_disk(kilobytes) sets its size.

    It needs a system that can mount one.
    """
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(kilobytes: int, *more: str) -> int:
        command = [
            "mount",
            "-t",
            "tmpfs",
            "-o",
            ",".join([*more, f"size={kilobytes}k"]),
            "minigpt",
            str(folder),
        ]
        try:
            return subprocess.run(command, capture_output=True).returncode
        except OSError:
            return 1

    if mount(64):
        pytest.skip("no small disk can be mounted here")
    yield lambda kilobytes: mount(kilobytes, "remount")
    subprocess.run(["umount", str(folder)], capture_output=True)


@pytest.mark.parametrize("kilobytes", range(4, 90, 8))
def test_a_disk_that_fills_up(tmp_path, small_disk, tiny_run, kilobytes):
    whole = tiny_run("whole", checkpoint_interval=1)
    train(whole, show=False)
    small_disk(kilobytes)
    data = TextData(str(tmp_path / "text.txt"), TEXT)
    run = new_run(
        tmp_path / "disk" / "run",
        data,
        TINY_MODEL,
        TrainSettings(**TINY_TRAIN | {"checkpoint_interval": 1}),
    )
    with pytest.raises(OSError, match=rf"No space left on device: '{tmp_path}/disk/run"):
        train(run, show=False)
    expect_the_same_in_the_end(run, whole, lambda: small_disk(10_000))


def expect_the_same_in_the_end(run: Run, whole: Run, make_room) -> None:
    """Check that the resumed run ends like an undisturbed one.

    The files must be whole.
    """
    left = checkpoints(run.out)
    if left:
        load_checkpoint(run.out)
    make_room()
    assert train(
        resume_run(run.out) if left else new_run(run.out, run.data, TINY_MODEL, run.settings),
        show=False,
    )
    for name, array in load_checkpoint(whole.out).params.items():
        np.testing.assert_array_equal(load_checkpoint(run.out).params[name], array)
    assert read_log(run.out / LOG) == read_log(whole.out / LOG)
