"""Where texts come from.

Three texts are part of every installation, one is downloaded and checked by its checksum; others
are files of yours. Sizes and licences: data/README.md.
Left out: formats other than plain text in UTF-8.
"""

import hashlib
import http.client
import os
import sysconfig
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from minigpt.text.prose import python_prose


class Source(NamedTuple):
    """A named text: its description, and a function that reads it."""

    about: str
    read: Callable[[], str]


class Download(NamedTuple):
    """A file on the web, with its size and checksum."""

    url: str
    size: int  # bytes
    sha256: str


SHAKESPEARE = Download(
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
    1_115_394,
    "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
)
DOWNLOADS = {"shakespeare": SHAKESPEARE}


def read_source(spec: str) -> str:
    """The text of a named source, a file or a folder.

    Raises ValueError, FileNotFoundError.
    """
    if spec in SOURCES:
        return SOURCES[spec].read()
    path = Path(spec)
    if path.is_dir():
        return _read_folder(path)
    return read_text(path)


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, with "\\n" as line ends.

    Raises ValueError with the remedy for a file that is empty, binary or not UTF-8.
    """
    content = path.read_bytes()
    if not content.strip():
        raise ValueError(f"{path}: the file is empty; give a file with text in it")
    if b"\0" in content[:100_000]:
        raise ValueError(
            f"{path}: this is a binary file{_kind(content)}, not text; give a plain text file in "
            "UTF-8"
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: not UTF-8 (byte {error.start} is 0x{content[error.start]:02x}); save it as "
            "UTF-8, "
            f"for example: iconv -f latin1 -t utf-8 {path.name} > utf8.txt"
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _kind(content: bytes) -> str:
    starts = {
        b"\x89PNG": "a PNG image",
        b"\xff\xd8": "a JPEG image",
        b"%PDF": "a PDF",
        b"PK": "a ZIP archive or Office document",
    }
    return next((f" ({kind})" for start, kind in starts.items() if content.startswith(start)), "")


def _read_folder(folder: Path) -> str:
    """All .txt, .md, .rst and .py files below a folder, joined.

    They are sorted by name, with an empty line between two files.
    """
    files = sorted(
        file
        for file in folder.rglob("*")
        if file.suffix in (".txt", ".md", ".rst", ".py") and file.is_file()
    )
    if not files:
        raise ValueError(
            f"{folder}: holds no .txt, .md, .rst or .py file; give a folder with text in it"
        )
    # an empty __init__.py is not an error
    texts = [read_text(file) for file in files if file.read_bytes().strip()]
    if not texts:
        raise ValueError(f"{folder}: its text files are all empty; give a folder with text in it")
    return "\n\n".join(texts)


def _python_docs() -> str:
    """CPython's reference text, as help() shows it."""
    from pydoc_data.topics import topics

    return "\n\n".join(topics[name] for name in sorted(topics))


def _python_source() -> str:
    """The source of the standard library's top-level modules that are ASCII."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    contents = [file.read_bytes() for file in sorted(folder.glob("*.py"))]
    if not contents:
        raise FileNotFoundError(
            f"data python-source: {folder} holds no .py file; this Python came without its "
            "library's source"
        )
    return "\n\n".join(
        content.decode("ascii").replace("\r\n", "\n") for content in contents if content.isascii()
    )


def cache_folder() -> Path:
    """Where downloads are kept: $MINIGPT_CACHE, or ~/.cache/minigpt."""
    return Path(os.environ.get("MINIGPT_CACHE") or Path.home() / ".cache" / "minigpt")


def _downloaded(name: str) -> Callable[[], str]:
    def read() -> str:
        return read_text(get(name))

    return read


def get(name: str, tries: int = 3, pause: float = 1.0) -> Path:
    """The path of a downloaded file in the cache; fetched if necessary.

    The checksum is checked in both cases.
    Raises ConnectionError after `tries`, with the place for a file fetched by hand; ValueError if
    the checksum is wrong.
    """
    download = DOWNLOADS[name]
    path = cache_folder() / f"{name}.txt"
    if path.exists() and _sha256(path.read_bytes()) == download.sha256:
        return path
    content = _fetch(name, download, path, tries, pause)
    if _sha256(content) != download.sha256:
        raise ValueError(
            f"data {name}: {download.url} gave {len(content)} bytes with sha256 "
            f"{_sha256(content)}, but must give {download.size} "
            f"bytes with {download.sha256}; nothing was kept"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    unfinished.write_bytes(content)
    unfinished.replace(path)  # a complete file or none
    return path


def _fetch(name: str, download: Download, path: Path, tries: int, pause: float) -> bytes:
    for attempt in range(tries):
        try:
            with urllib.request.urlopen(download.url, timeout=30) as response:
                return response.read()
        except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
            problem = error
            if attempt + 1 < tries:
                time.sleep(pause * 2**attempt)
    raise ConnectionError(
        f"data {name}: {download.url} could not be fetched in {tries} tries ({problem}); without a "
        f"network, put it at {path}, "
        "or train on python-docs, which needs none"
    )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


SOURCES = {
    "python-docs": Source(
        "CPython's reference text, 0.5 MB of English, on every Python", _python_docs
    ),
    "python-prose": Source(
        "the sentences of that and of the docstrings of Python and NumPy, 2 MB of English",
        python_prose,
    ),
    "python-source": Source("the standard library's source, 4 MB, on every Python", _python_source),
    "shakespeare": Source("tinyshakespeare, 1.1 MB, by download", _downloaded("shakespeare")),
}
