"""A lock: only one process at a time in a run's directory.

The operating system releases the lock when the process ends, for whatever reason. The file .lock
says which process has it, for the error message of a second process. The file stays; without the
lock it means nothing.
"""

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from io import FileIO
from pathlib import Path

FILE = ".lock"


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Lock a directory, which is made if necessary.

    Raises BlockingIOError with the process that has the lock.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / FILE
    with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "rb+", buffering=0) as stream:
        if not _take(stream):
            raise BlockingIOError(
                f"{directory}: in use by {_holder(path)}; wait for it, stop it, or give another "
                "--out"
            )
        _sign(stream, path)
        yield


def _sign(stream: FileIO, path: Path) -> None:
    """Write which process has the lock."""
    now = datetime.now().isoformat(" ", "seconds")
    try:
        stream.truncate()
        stream.write(
            json.dumps({"process": os.getpid(), "machine": platform.node(), "since": now}).encode()
        )
    except OSError as error:  # a full disk: say where
        raise OSError(error.errno, error.strerror, str(path)) from error


def _take(stream: FileIO) -> bool:
    """Lock the file until the stream is closed; return whether it worked."""
    try:
        import fcntl
    except ImportError:  # Windows
        return _take_on_windows(stream)
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _take_on_windows(stream: FileIO) -> bool:
    import msvcrt

    try:
        stream.seek(1 << 20)  # far behind the text, which can then still be read
        msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    finally:
        stream.seek(0)
    return True


def _holder(path: Path) -> str:
    try:
        who = json.loads(path.read_bytes())
        return f"process {who['process']} on {who['machine']}, since {who['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
