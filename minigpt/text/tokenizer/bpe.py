"""Byte-level BPE, as in GPT-2.

A token is one of 256 bytes, or two earlier tokens joined (a merge).

    encode: split the text into pieces (split.py); in each piece, join the two neighbours whose
            merge has the lowest rank; repeat until no merge is left
    decode: join the bytes of all tokens and decode them as UTF-8

Every text can be encoded, because every byte is a token. A lone surrogate, which is not valid text,
becomes three bytes; they are decoded as three U+FFFD.
Source: Sennrich et al. 2016, section 3.2; Radford et al. 2019, section 2.2; encoder.py of
openai/gpt-2.

>>> tokenizer = train_bpe("low low lower lowest", 260)
>>> [tokenizer.symbol(i) for i in tokenizer.encode("a slow law")]
["'a'", "' '", "'s'", "'low'", "' '", "'l'", "'a'", "'w'"]

Left out: Hugging Face's tokenizer.json; added tokens beyond the two files.
"""

import heapq
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from minigpt.files import (
    DIGESTS,
    check_digests,
    read_text,
    read_value,
    record_digests,
    write_text,
)
from minigpt.text.tokenizer.bpe_train import Pair, merges_of_text
from minigpt.text.tokenizer.split import split

# Hugging Face's names, OpenAI's
FILES = (("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe"))
END_OF_TEXT = "<|endoftext|>"
CACHED = 100_000  # pieces whose tokens are remembered


@cache
def bytes_to_unicode() -> dict[int, str]:
    """Byte -> the character that stands for it in GPT-2's files.

    The 188 bytes that are printable in Latin-1 stand for themselves. The other 68 are U+0100 and
    following: a space is U+0120, a line end U+010A. The order is that of GPT-2's ids.
    """
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {
        byte: chr(256 + n) for n, byte in enumerate(others)
    }


class Step(NamedTuple):
    """One merge in the encoding of a piece.

    rank: of the merge; pair: the two tokens that it joins; parts: all tokens after it.
    """

    rank: int
    pair: Pair
    parts: list[bytes]


class BPETokenizer:
    """Text to ids and back.

    merges: pairs of tokens in the order of their ranks.
    special_tokens: tokens that encode does not produce (unless allowed).
    """

    kind, unit = "bpe", "tokens"

    def __init__(
        self,
        merges: Iterable[Pair],
        special_tokens: Sequence[str] = (END_OF_TEXT,),
        vocab: dict[str, int] | None = None,
    ):
        """Number the tokens.

        vocab: token -> id, with tokens as in GPT-2's files. Default: bytes, merges, special tokens.
        Raises ValueError if the arguments do not fit together.
        """
        self.merges = [(bytes(a), bytes(b)) for a, b in merges]
        self.special_tokens = tuple(special_tokens)
        self._ranks = {pair: rank for rank, pair in enumerate(self.merges)}
        tokens = [bytes([byte]) for byte in bytes_to_unicode()] + [a + b for a, b in self.merges]
        _expect_merges(self.merges, set(tokens[:256]))
        ordinary = {printable(token): token for token in tokens}  # symbol in the files -> bytes
        _expect_special(self.special_tokens, ordinary)
        token_of = ordinary | {name: name.encode() for name in self.special_tokens}
        self.vocab = (
            {symbol: i for i, symbol in enumerate(token_of)} if vocab is None else dict(vocab)
        )
        _expect_vocab(self.vocab, token_of)
        _expect_no_joins(self.special_tokens, ordinary)
        symbols = sorted(self.vocab, key=self.vocab.get)
        self._tokens = [token_of[symbol] for symbol in symbols]  # id -> bytes
        self._ids = {token: self.vocab[printable(token)] for token in tokens}  # bytes -> id
        self._cache: dict[str, list[int]] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BPETokenizer) and (self.vocab, self.merges) == (
            other.vocab,
            other.merges,
        )

    __hash__ = None

    @property
    def vocab_size(self) -> int:
        return len(self._tokens)

    def describe(self) -> str:
        """A short description of the tokens."""
        return f"{self.vocab_size:,} tokens of byte-level BPE"

    def details(self) -> str:
        """The vocabulary in one line of ASCII."""
        first = ", ".join(self.symbol(self._ids[a + b]) for a, b in self.merges[:12])
        return f"{self.vocab_size:,} different ones; the first merges: {first or 'none'}"

    def knows(self, text: str) -> bool:
        """Whether encode accepts a text: always."""
        return True

    def encode(self, text: str, allowed_special: Iterable[str] = ()) -> np.ndarray:
        """The ids of a text, (n,) int64.

        allowed_special: special tokens that become one id. Other special tokens in the text are
        encoded as ordinary text.
        Raises ValueError for an unknown special token.
        """
        # the longest first, if one begins with another
        allowed = sorted(allowed_special, key=len, reverse=True)
        for name in allowed:
            if name not in self.special_tokens:
                raise ValueError(
                    f"allowed_special has {name!r}, but the special tokens are "
                    f"{', '.join(self.special_tokens)}"
                )
        # the parentheses keep the special tokens in the result
        pattern = f"({'|'.join(map(re.escape, allowed))})"
        ids: list[int] = []
        for passage in re.split(pattern, text) if allowed else [text]:
            if passage in allowed:
                ids.append(self.vocab[passage])
            else:
                for piece in split(passage):
                    ids.extend(self._encode_piece(piece))
        return np.array(ids, dtype=np.int64)

    def encode_prompt(self, text: str) -> np.ndarray:
        """The ids of a prompt, without a single space at its end.

        Words begin with their space, so the model writes this space with the next word.
        """
        return self.encode(re.sub(r"(?<=\S) \Z", "", text))

    def _encode_piece(self, piece: str) -> list[int]:
        if piece not in self._cache:
            if len(self._cache) >= CACHED:
                self._cache.clear()
            single = [bytes([byte]) for byte in piece.encode("utf-8", "surrogatepass")]
            self._cache[piece] = [self._ids[token] for token in merge_all(single, self._ranks)]
        return self._cache[piece]

    def steps(self, piece: str) -> Iterator[Step]:
        """Yield the merges of a piece, one after the other.

        This is the algorithm of the module's docstring; merge_all is faster.
        """
        parts = [bytes([byte]) for byte in piece.encode("utf-8", "surrogatepass")]
        while True:
            known = [
                (self._ranks[pair], i)
                for i, pair in enumerate(pairwise(parts))
                if pair in self._ranks
            ]
            if not known:
                return
            rank, i = min(known)  # of one pair's occurrences, the leftmost
            pair = parts[i], parts[i + 1]
            parts = [*parts[:i], pair[0] + pair[1], *parts[i + 2 :]]
            yield Step(rank, pair, parts)

    def decode(self, ids: np.ndarray | Sequence[int]) -> str:
        """The text of ids; invalid UTF-8 becomes U+FFFD.

        Raises IndexError for an id outside the vocabulary.
        """
        return self.decode_bytes(ids).decode("utf-8", "replace")

    def decode_bytes(self, ids: np.ndarray | Sequence[int]) -> bytes:
        """The bytes of all ids, joined.

        A character may be spread over several tokens.
        Raises IndexError.
        """
        return b"".join(self.token_bytes(i) for i in ids)

    def token_bytes(self, i: int) -> bytes:
        """The bytes of one token. Raises IndexError."""
        if not 0 <= i < self.vocab_size:
            raise IndexError(
                f"id {i} is not in 0 .. {self.vocab_size - 1}, the {self.vocab_size} tokens of "
                "this tokenizer"
            )
        return self._tokens[i]

    def symbol(self, i: int) -> str:
        """A token in ASCII, for display: ' the', or b'\\xe4'.

        The second form is for bytes that are not valid UTF-8. Long tokens are shortened.
        """
        token = self.token_bytes(i)
        if len(token) > 20:
            return f"{ascii(token[:16])[:-1]}..."
        try:
            return ascii(token.decode("utf-8"))
        except UnicodeDecodeError:
            return ascii(token)

    def save(self, directory: str | Path) -> None:
        """Write vocab.json and merges.txt, as Hugging Face's GPT-2 reads them.

        Each is a complete file or none.
        """
        directory = Path(directory)
        lines = ["#version: 0.2", *(f"{printable(a)} {printable(b)}" for a, b in self.merges)]
        contents = json.dumps(self.vocab, ensure_ascii=False) + "\n", "\n".join(lines) + "\n"
        for name, content in zip(FILES[0], contents, strict=True):
            write_text(directory / name, content)
        if (directory / DIGESTS).exists():
            record_digests(directory, FILES[0])

    @classmethod
    def load(cls, directory: str | Path) -> "BPETokenizer":
        """Read vocab.json and merges.txt, or OpenAI's encoder.json and vocab.bpe.

        A token in the vocabulary that is neither a byte nor a merge is a special token.
        Raises FileNotFoundError, ValueError.
        """
        found = [pair for pair in FILES if all((Path(directory) / name).is_file() for name in pair)]
        if not found:
            names = " nor ".join(f"{a} with {b}" for a, b in FILES)
            raise FileNotFoundError(
                f"{directory}: holds neither {names}, the files of a GPT-2 tokenizer"
            )
        vocab_path, merges_path = (Path(directory) / name for name in found[0])
        vocab, merges = _read_vocab(vocab_path), _read_merges(merges_path)
        ordinary = {*bytes_to_unicode().values(), *(printable(a + b) for a, b in merges)}
        special = sorted((symbol for symbol in vocab if symbol not in ordinary), key=vocab.get)
        try:
            tokenizer = cls(merges, special, vocab)
        except ValueError as error:
            raise ValueError(f"{vocab_path} and {merges_path.name}: {error}") from None
        check_digests(Path(directory), found[0])
        return tokenizer


def train_bpe(
    text: str,
    vocab_size: int,
    special_tokens: Sequence[str] = (END_OF_TEXT,),
    on_merge: Callable[[int, Pair, int], None] | None = None,
) -> BPETokenizer:
    """A tokenizer with the merges of a text (bpe_train.py).

    vocab_size: the number of tokens: 256 bytes, the special tokens and the merges.
    special_tokens: in the text, they are ordinary text.
    on_merge: on_merge(rank, pair, count) is called for each merge.
    Raises ValueError if vocab_size is too small, or if the text has too few pairs for it.
    """
    least = 256 + len(special_tokens)
    if vocab_size < least:
        raise ValueError(
            f"vocab_size is {vocab_size}, but must be at least {least}: 256 bytes and "
            f"{len(special_tokens)} special tokens"
        )
    merges: list[Pair] = []
    for merge in merges_of_text(text, vocab_size - least):
        merges.append(merge.pair)
        if on_merge is not None:
            on_merge(*merge)
    if len(merges) < vocab_size - least:
        raise ValueError(
            f"vocab_size is {vocab_size}, but this text gives at most {least + len(merges)}: no "
            "two tokens are left to join"
        )
    return BPETokenizer(merges, special_tokens)


def merge_all(parts: list[bytes], ranks: dict[Pair, int]) -> list[bytes]:
    """The tokens after all merges, as in BPETokenizer.steps, in O(n log n).

    The joined token takes the place of the left one; the place of the right one becomes empty.
    before and after hold the places of the neighbours.
    """
    parts, n = list(parts), len(parts)
    before, after = list(range(-1, n - 1)), list(range(1, n + 1))
    heap = [(ranks[pair], i, pair) for i, pair in enumerate(pairwise(parts)) if pair in ranks]
    heapq.heapify(heap)
    while heap:
        _, i, pair = heapq.heappop(heap)
        j = after[i]
        if j == n or (parts[i], parts[j]) != pair:
            continue  # one of the two has been joined with another token since
        parts[i], parts[j] = parts[i] + parts[j], b""
        after[i] = after[j]
        if after[i] < n:
            before[after[i]] = i
        for left in (before[i], i):
            if (
                left >= 0
                and after[left] < n
                and (new := (parts[left], parts[after[left]])) in ranks
            ):
                heapq.heappush(heap, (ranks[new], left, new))
    return [part for part in parts if part]


def printable(token: bytes) -> str:
    """A token as GPT-2's files write it."""
    characters = bytes_to_unicode()
    return "".join(characters[byte] for byte in token)


def _expect_merges(merges: list[Pair], known: set[bytes]) -> None:
    """Raises ValueError if a merge joins unknown tokens, or is repeated.

    Otherwise "lowest rank first" is ambiguous.
    """
    for rank, pair in enumerate(merges):
        for part in pair:
            if part not in known:
                raise ValueError(
                    f"merge {rank} joins {pair[0]!a} and {pair[1]!a}, but no merge before it makes "
                    f"{part!a}"
                )
        if pair[0] + pair[1] in known:
            raise ValueError(
                f"merge {rank} joins {pair[0]!a} and {pair[1]!a}, but a token "
                f"{pair[0] + pair[1]!a} is there already"
            )
        known.add(pair[0] + pair[1])


def _expect_special(names: tuple[str, ...], ordinary: dict[str, bytes]) -> None:
    """Raises ValueError if a special token is empty, repeated or ordinary."""
    if "" in names or len(set(names)) < len(names) or not ordinary.keys().isdisjoint(names):
        raise ValueError(
            f"the special tokens are {names}, but must be different, not empty, and not spelled as "
            "another token"
        )


def _expect_no_joins(names: tuple[str, ...], ordinary: dict[str, bytes]) -> None:
    """Raises ValueError if a special token is two ordinary tokens joined.

    This detects a file of merges that has lost lines. The tokens whose merges are lost would be
    taken for special ones, and the first of them joins two tokens that are still known.
    """
    for name in names:
        for i in range(1, len(name)):
            if name[:i] in ordinary and name[i:] in ordinary:
                raise ValueError(
                    f"the special token {name!a} is {name[:i]!a} and {name[i:]!a} joined; "
                    "either the merge of the two is missing, or it needs another name"
                )


def _expect_vocab(vocab: dict[str, int], token_of: dict[str, bytes]) -> None:
    """Raises ValueError if the vocabulary does not number exactly the tokens."""
    for symbol in token_of:
        if symbol not in vocab:
            raise ValueError(
                f"the vocabulary has no token {symbol!a}, which the bytes and the merges make"
            )
    if sorted(vocab.values()) != list(range(len(token_of))):
        raise ValueError(f"the vocabulary's ids must be 0 .. {len(token_of) - 1}, each once")


def _read_vocab(path: Path) -> dict[str, int]:
    vocab = read_value(path)
    if not isinstance(vocab, dict) or not all(type(i) is int for i in vocab.values()):
        raise ValueError(f"{path}: must be a JSON object with an id for each token")
    return vocab


def _read_merges(path: Path) -> list[Pair]:
    """The merges in a file, one per line.

    A line has two tokens with a space between. The first line may name a version.
    Raises ValueError with the line.
    """
    values = {character: byte for byte, character in bytes_to_unicode().items()}
    merges = []
    lines = read_text(path).split("\n")
    try:
        for number, line in enumerate(lines, start=1):
            if not line or (number == 1 and line.startswith("#version")):
                continue
            a, b = (bytes(values[character] for character in token) for token in line.split(" "))
            if not a or not b:
                raise ValueError
            merges.append((a, b))
    except (ValueError, KeyError):
        raise ValueError(
            f"{path}, line {number}: {line[:60]!a} is not two tokens with a space between"
        ) from None
    return merges
