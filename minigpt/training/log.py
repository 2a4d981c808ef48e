"""log.jsonl: one line of JSON for each step and each evaluation."""

import json
from pathlib import Path

from minigpt.files import parse_json, write_text

LOG = "log.jsonl"


class Log:
    """A file of JSON lines.

    Lines of an earlier process from `step` on are dropped, because these steps are made again.
    """

    def __init__(self, path: Path, step: int):
        kept = [line for line in read_log(path) if line["step"] < step]
        write_text(path, "".join(json.dumps(line) + "\n" for line in kept))
        # unbuffered: an error comes from the write, not again from the close
        self.path, self.stream = path, path.open("ab", buffering=0)

    def write(self, line: dict) -> None:
        try:
            rest = json.dumps(line).encode() + b"\n"
            while rest:  # a disk that is nearly full may take only some bytes
                rest = rest[self.stream.write(rest) :]
        except OSError as error:  # a full disk: say where
            raise OSError(error.errno, error.strerror, str(self.path)) from error

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stream.close()


def read_log(path: Path) -> list[dict]:
    """The lines of a log, without an incomplete last line.

    Raises ValueError with the file and line.
    """
    lines = []
    content = path.read_bytes() if path.exists() else b""
    whole = content.split(b"\n")[:-1]  # after the last line end: nothing, or an incomplete line
    for number, line in enumerate(whole, start=1):
        try:
            lines.append(parse_json(line.decode("utf-8")))
            if type(lines[-1]["step"]) is not int:
                raise TypeError("step must be a whole number")
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path}, line {number}: not a line of a log ({error}); delete the line"
            ) from None
    return lines
