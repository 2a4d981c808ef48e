"""Tests of messages between the judge and a learner's process.

They arrive as they were sent, and what is not a message is refused.
"""

import io
import random
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from minigpt.grading import wire

DTYPES = ["?", "i1", "u2", "i4", "u8", "f2", "f4", "f8", ">f8", "<c8", "c16", "longdouble"]
LAYOUTS = {
    "C": lambda a: a,
    "F": np.asfortranarray,
    "backwards": lambda a: a[tuple(slice(None, None, -1) for _ in a.shape)],
    "gaps": lambda a: np.repeat(a, 2, axis=-1)[..., ::2] if a.ndim else a,
    "transposed": lambda a: a.T,
}
arrays = st.builds(
    lambda array, layout, writeable: _laid_out(array, layout, writeable),
    st.sampled_from(DTYPES).flatmap(
        lambda d: nps.arrays(np.dtype(d), nps.array_shapes(min_dims=0, min_side=0, max_side=4))
    ),
    st.sampled_from(list(LAYOUTS)),
    st.booleans(),
)
words = st.text(st.characters(codec="utf-8"), max_size=5)
plain = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | words
)
values = st.recursive(
    plain | arrays,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(words, inner, max_size=3)
    ),
    max_leaves=8,
)


def _laid_out(array: np.ndarray, layout: str, writeable: bool) -> np.ndarray:
    array = LAYOUTS[layout](array.copy())
    array.setflags(write=writeable)
    return array


def through(value: object, trusted: bool = True) -> object:
    message = wire.receive(io.BytesIO(wire.pack(value)))
    return wire.unpack(*message, handle=lambda number: number, trusted=trusted)


def same(got: object, want: object) -> bool:
    """Check that two values have the same type and the same bits."""
    if type(got) is not type(want):
        return False
    if isinstance(want, np.ndarray):
        return (got.dtype, got.shape, got.flags.writeable) == (
            want.dtype,
            want.shape,
            want.flags.writeable,
        ) and (np.array_equal(got, want, equal_nan=True))
    if isinstance(want, list | tuple):
        return len(got) == len(want) and all(map(same, got, want))
    if isinstance(want, dict):
        return list(got) == list(want) and all(same(got[key], want[key]) for key in want)
    return got == want


@settings(max_examples=300, deadline=None)
@given(values)
def test_values_come_out_as_they_went_in(value):
    assert same(through(value), value)
    assert same(through(value, trusted=False), value)


@settings(max_examples=300, deadline=None)
@given(arrays)
def test_a_trusted_array_keeps_its_layout(array):
    got = through(array)
    if array.size and not array.flags.c_contiguous:
        assert got.strides == array.strides
    assert not np.shares_memory(got, array)


@pytest.mark.parametrize("dtype", DTYPES)
def test_scalars(dtype):
    value = np.dtype(dtype).type(1)
    got = through(value, trusted=False)
    assert type(got) is type(value) and got == value


def test_nan_infinity_and_minus_zero():
    got = through([np.nan, np.inf, -np.inf, -0.0], trusted=False)
    assert np.isnan(got[0]) and got[1:3] == [np.inf, -np.inf] and np.signbit(got[3])


def test_a_generator_goes_on_where_it_was():
    rng = np.random.default_rng(3)
    rng.random(5)
    assert through(rng, trusted=False).random() == rng.random()


def test_what_is_no_number_arrives_as_its_type_name():
    got = through([object(), np.array([object()]), {1, 2}, b"x"], trusted=False)
    assert [type(value).__name__ for value in got] == ["object", "ndarray", "set", "bytes"]


HEADERS = [
    b'{"array": ["<f8", [2], null, true, 0], "scalar": false}',
    b'{"dict": [{"tuple": ["a", {"list": [1, 2.5, null]}]}]}',
    b'{"rng": {"bit_generator": "PCG64", "state": {"state": 1, "inc": 1}, '
    b'"has_uint32": 0, "uinteger": 0}}',
    b'{"tuple": [{"handle": 3}, {"other": "x"}, {"dtype": "<f4"}]}',
    b'{"cache": ["os", "_exit"], "items": [0]}',
]
PIECES = [
    b"[",
    b"{",
    b"null",
    b"-1",
    b"1e999",
    b"9" * 30,
    b'"O"',
    b'"V8"',
    b'"array"',
    b'"tuple"',
    b"[" * 5000,
    b"\xff",
    b"NaN",
]


def damaged(rng: random.Random) -> bytes:
    """Return damaged messages.

    Noise, a real message with changed bytes, or one with a wrong length.
    """
    header, body = rng.choice(HEADERS), rng.randbytes(rng.choice([0, 7, 16]))
    if rng.random() < 0.2:
        header = rng.randbytes(rng.randrange(40))
    for _ in range(rng.randrange(4)):
        at = rng.randrange(len(header) + 1)
        header = (
            header[:at] + rng.choice([*PIECES, rng.randbytes(1)]) + header[at + rng.randrange(4) :]
        )
    lengths = (
        struct.pack(">IQ", len(header), len(body)) if rng.random() < 0.9 else rng.randbytes(12)
    )
    message = lengths + header + body
    return message[: rng.randrange(len(message) + 1)] if rng.random() < 0.1 else message


@pytest.mark.parametrize("seed", range(10))
def test_random_messages_are_refused_or_plain(seed):
    rng = random.Random(seed)
    for _ in range(200):
        try:
            message = wire.receive(io.BytesIO(damaged(rng)))
            value = message and wire.unpack(*message, handle=lambda number: number, trusted=False)
        except ValueError:
            continue
        assert is_plain(value)


def is_plain(value: object) -> bool:
    if isinstance(value, list | tuple | dict):
        return all(map(is_plain, value.items() if isinstance(value, dict) else value))
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.kind in wire.KINDS
    return type(value) in wire.PLAIN or isinstance(
        value, wire.Other | np.random.Generator | np.dtype
    )


REFUSED = {
    "a kind of generator that is a function": {"rng": {"bit_generator": "test"}},
    "a cache of ours": {"cache": ["os", "_exit"], "items": [0]},
    "an object array": {"array": ["O", [1], None, True, 0], "scalar": False},
    "a negative length": {"array": ["<f8", [-1], None, True, 0], "scalar": False},
    "a length that is a float": {"array": ["<f8", [1.0], None, True, 0], "scalar": False},
    "more numbers than there are": {"array": ["<f8", [3], None, True, 0], "scalar": False},
    "huge lengths": {"array": ["<f8", [10**4000] * 1000, None, True, 0], "scalar": False},
    "too many axes": {"array": ["<f8", [0] * 100, None, True, 0], "scalar": False},
    "keys that are numbers": {"dict": [{"tuple": [1, 1]}]},
}


@pytest.mark.parametrize("header", REFUSED.values(), ids=REFUSED.keys())
def test_refused(header):
    import json

    with pytest.raises(ValueError):
        wire.unpack(
            json.dumps(header).encode(), bytes(16), handle=lambda number: number, trusted=False
        )


def test_a_length_beyond_the_limit_is_refused_before_it_is_read():
    with pytest.raises(ValueError, match="bytes"):
        wire.receive(io.BytesIO(struct.pack(">IQ", 10, 2**60)))
