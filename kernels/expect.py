"""Checks of arguments, stricter than the reference's.

A kernel checks nothing itself. With a wrong dtype or size it would read and write memory outside
its arrays. So every array from outside is checked here first. That includes the arrays of a cache:
the caller may have replaced them, or may have overwritten the ids since the forward pass.
"""

import numpy as np

FLOAT32 = np.dtype(np.float32)


def float32(function: str, **arrays: np.ndarray | None) -> None:
    """Raises TypeError if an array is not float32. None is skipped."""
    for name, array in arrays.items():
        if array is not None and array.dtype != FLOAT32:
            raise TypeError(
                f"{function}: {name} has dtype {array.dtype}, but the kernels compute in float32: "
                f"use {name}.astype(np.float32), or the reference (ops='numpy'), which takes any "
                "float dtype"
            )


def expect_array(
    function: str, name: str, value: object, shape: tuple, dtype: np.dtype = FLOAT32
) -> None:
    """Raises TypeError, ValueError if value is no such array.

    The byte order must be this machine's.
    """
    if not isinstance(value, np.ndarray):
        raise TypeError(
            f"{function}: {name} is a {type(value).__name__}, but must be a NumPy array"
        )
    if value.dtype != dtype:
        raise TypeError(
            f"{function}: {name} has dtype {value.dtype}, but must have {dtype}: the kernels "
            "compute in float32"
        )
    if value.shape != shape:
        raise ValueError(f"{function}: {name} has shape {value.shape}, but must have {shape}")


def expect_cache(function: str, value: object, kind: type) -> None:
    """Raises TypeError if the cache is not a `kind`."""
    if not isinstance(value, kind):
        raise TypeError(
            f"{function}: cache is a {type(value).__name__}, but must be the {kind.__name__} "
            f"that the kernels' {function}_forward returned"
        )


def flat(array: np.ndarray) -> np.ndarray:
    """The numbers of an array as (n,), if possible a view.

    An array that is not C-contiguous is copied. A read-only array is copied too. For Numba it would
    be a different type, and every kernel would be compiled again for it.
    """
    if array.flags.c_contiguous and array.flags.writeable:
        return array.reshape(-1)
    return np.array(array, order="C").reshape(-1)
