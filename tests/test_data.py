"""Tests of texts, tokenizer, tasks, downloads, and binary files."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

from minigpt.text import prose, sources
from minigpt.text.data import TextData, load_data
from minigpt.text.synthetic import load_task
from minigpt.text.tokenizer import CharTokenizer, load_tokenizer


def test_a_text_file_and_a_folder(tmp_path):
    (tmp_path / "b.txt").write_text("beta\r\nend", encoding="utf-8")
    (tmp_path / "a.md").write_text("\ufeffalpha", encoding="utf-8")
    (tmp_path / "c.bin").write_bytes(b"\0\1\2")
    assert sources.read_source(str(tmp_path / "b.txt")) == "beta\nend"
    assert sources.read_source(str(tmp_path)) == "alpha\n\nbeta\nend"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "file is empty"),
        (b" \n \n", "file is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(50), r"binary file \(a PNG image\), not text"),
        (b"ab\0cd" * 10, "binary file, not text"),
        ("caf\xe9 ".encode("latin1") * 30, r"not UTF-8 \(byte 3 is 0xe9\).*iconv"),
    ],
)
def test_files_that_are_no_text(tmp_path, content, message):
    path = tmp_path / "file.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_data(str(path))


def test_a_text_that_is_too_short_for_the_block(tmp_path):
    path = tmp_path / "short.txt"
    path.write_text("0123456789", encoding="utf-8")
    data = load_data(str(path))
    with pytest.raises(
        ValueError, match="train part has 9 tokens, but block_size = 64 needs at least 65"
    ):
        data.batch("train", np.random.default_rng(0), 2, 64)


def test_no_such_data():
    with pytest.raises(
        FileNotFoundError, match=r"neither a name of `minigpt data list` .* nor a file"
    ):
        load_data("no-such-thing")


def test_an_empty_folder(tmp_path):
    with pytest.raises(ValueError, match=r"holds no \.txt"):
        load_data(str(tmp_path))


def test_the_built_in_texts_are_english_and_python():
    docs, source = sources.read_source("python-docs"), sources.read_source("python-source")
    assert len(docs) > 300_000 and " the " in docs
    assert len(source) > 1_000_000 and source.isascii() and "\nimport " in source


def test_python_prose_reads_as_english():
    text = sources.read_source("python-prose")
    paragraphs = text.removesuffix("\n").split("\n\n")
    assert (
        1_000_000 < len(text) < 4_000_000
        and len(set(paragraphs)) == len(paragraphs) == text.count("\n\n") + 1
    )
    assert not any(
        "\n" in paragraph or ">>>" in paragraph[:3] or "`" in paragraph for paragraph in paragraphs
    )
    assert text.count(" the ") / len(text.split()) > 0.03  # as often as in English
    assert (
        "Return a copy" in text and "Compute the" in text
    )  # from Python's library, and from NumPy


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        # another indentation is another paragraph
        ("Return the sum of the two\n    numbers, each once.", []),
        (
            "Return the sum of the two\nnumbers,  each `once`.",
            ["Return the sum of the two numbers, each once."],
        ),
        (
            "a : array_like\n    The array of which the mean is wanted.",
            ["The array of which the mean is wanted."],
        ),
        (
            "* If the target is a name,\n  it is bound to the object.",
            ["If the target is a name, it is bound to the object."],
        ),
        (">>> print the sum of all these numbers now.", []),
        ("1 2 3 4 5 6 7.\n\nx = y + z - the sum of two.", []),
        ("A heading of six words or more", []),
        (
            "It raises an :exc:`OSError` where that is so::",
            ["It raises an OSError where that is so:"],
        ),
    ],
)
def test_what_is_prose(text, kept):
    assert [
        paragraph for paragraph in prose.paragraphs_of(text) if prose.is_prose(paragraph)
    ] == kept


def test_docstrings():
    source = (
        b'"""Module."""\ndef f():\n    """F\n    more."""\n'
        b'class C:\n    async def g(self):\n        "G"\nx = "no"\n'
    )
    assert list(filter(None, prose.docstrings(source))) == ["Module.", "F\nmore.", "G"]
    assert list(prose.docstrings(b"def (")) == list(prose.docstrings(b"\0")) == []


def test_the_split_is_nanogpts():
    data = TextData("x", "ab" * 557_697)  # tinyshakespeare's 1,115,394 characters
    assert len(data.tokens["train"]) == 1_003_854 and len(data.tokens["val"]) == 111_540


def test_tokenizer_round_trips_and_saves(tmp_path):
    tokenizer = CharTokenizer("hé, 你好!\n")
    text = "你!h\n"
    assert tokenizer.decode(tokenizer.encode(text)) == text
    tokenizer.save(tmp_path)
    assert load_tokenizer(tmp_path).symbols == tokenizer.symbols


def test_unknown_characters_are_named_with_their_place():
    with pytest.raises(
        ValueError, match=r"character 'z' at position 2 is not one of the 3 .*'abc'"
    ):
        CharTokenizer("abc").encode("abz")
    with pytest.raises(ValueError, match="character"):
        CharTokenizer("abc").encode("a\ud800")
    with pytest.raises(IndexError, match=r"id 3 is not in 0 \.\. 2"):
        CharTokenizer("abc").decode([0, 3])
    with pytest.raises(ValueError, match="empty"):
        CharTokenizer("")


@pytest.mark.parametrize(
    ("content", "message"),
    [("{}", "not a tokenizer"), ("[", "not a tokenizer"), ('{"symbols": 3}', "not a tok")],
)
def test_a_broken_tokenizer_file(tmp_path, content, message):
    (tmp_path / "char_tokenizer.json").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("reverse:x", "must be a whole number"),
        ("reverse:1", r"must be in 2 \.\. 64"),
        ("add:5", "and even"),
        ("sort:99", "2 .. 64"),
    ],
)
def test_wrong_tasks(spec, message):
    with pytest.raises(ValueError, match=message):
        load_data(spec)


def test_a_task_needs_a_block_that_holds_an_example():
    with pytest.raises(ValueError, match="block_size of at least 24"):
        load_task("reverse:12").batch("train", np.random.default_rng(0), 1, 16)


# ---- downloads, from a server on this machine


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server with the answers server.answers, one after the other.

    An answer is bytes, or None for an error 500.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answer = httpd.answers.pop(0)
            self.send_response(200 if answer is not None else 500)
            self.end_headers()
            self.wfile.write(answer or b"")

        def log_message(self, *args):
            pass

    httpd = HTTPServer(("127.0.0.1", 0), Handler)
    httpd.answers = []
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    content = b"To be, or not to be" * 9
    download = sources.Download(
        f"http://127.0.0.1:{httpd.server_port}/", len(content), hashlib.sha256(content).hexdigest()
    )
    monkeypatch.setitem(sources.DOWNLOADS, "shakespeare", download)
    monkeypatch.setenv("MINIGPT_CACHE", str(tmp_path / "cache"))
    httpd.content = content
    yield httpd
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def test_download_tries_again_and_keeps(server):
    server.answers = [None, server.content]
    path = sources.get("shakespeare", pause=0.0)
    assert path.read_bytes() == server.content
    assert sources.get("shakespeare") == path  # there is no third answer: it came from the cache
    assert sources.read_source("shakespeare") == server.content.decode()


def test_a_damaged_file_in_the_cache_is_fetched_again(server):
    sources.cache_folder().mkdir()
    (sources.cache_folder() / "shakespeare.txt").write_bytes(b"half")
    server.answers = [server.content]
    assert sources.get("shakespeare").read_bytes() == server.content


def test_a_wrong_download_is_not_kept(server):
    server.answers = [b"<html>blocked</html>"]
    with pytest.raises(ValueError, match=r"20 bytes with sha256 .* nothing was kept"):
        sources.get("shakespeare")
    assert not sources.cache_folder().exists()


def test_no_network_says_where_to_put_the_file(server):
    server.answers = [None, None, None]
    with pytest.raises(
        ConnectionError,
        match=r"in 3 tries .* put it at .*shakespeare\.txt, or train on python-docs",
    ):
        sources.get("shakespeare", pause=0.0)


def test_the_fingerprint_is_of_every_character():
    """The fingerprint covers the training split and the validation split.

    If the text becomes a word longer, only the validation split changes.
    """
    text = "a rose is a rose. " * 30
    prints = {
        TextData("text", changed).fingerprint
        for changed in (text, text[:-1] + "!", "A" + text[1:], text + " ")
    }
    assert len(prints) == 4
