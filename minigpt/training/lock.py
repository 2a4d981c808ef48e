"""One process in a directory at a time.

The lock is the system's: it goes with the process, however that ends.

The file .lock says who has it, so that a second process can say so too. The file stays, and means
nothing without the lock.
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
    """Hold a directory, which is made if needed. Raises BlockingIOError with who has it."""
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
    """Write down who has the directory."""
    now = datetime.now().isoformat(" ", "seconds")
    try:
        stream.truncate()
        stream.write(
            json.dumps({"process": os.getpid(), "machine": platform.node(), "since": now}).encode()
        )
    except OSError as error:  # a full disk: say where
        raise OSError(error.errno, error.strerror, str(path)) from error


def _take(stream: FileIO) -> bool:
    """Whether nobody else has the file. Ours until the stream is closed."""
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
        stream.seek(1 << 20)  # a place far beyond the words, which then can still be read
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
