"""What the kernels ask of an array beyond what the reference asks.

A kernel believes what it is told: with a wrong dtype or size it would read and write memory that is
not its own, so everything that comes from outside passes through here first. A cache comes from
outside too: its arrays may have been replaced, and what a caller keeps, such as ids, may have been
overwritten since.
"""

import numpy as np

FLOAT32 = np.dtype(np.float32)


def float32(function: str, **arrays: np.ndarray | None) -> None:
    """Every array (None is skipped) is float32. Else TypeError."""
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
    """One array of this very shape and dtype, in this machine's byte order.

    Else TypeError, ValueError.
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
    """The cache is the one that this function's forward returns. Else TypeError."""
    if not isinstance(value, kind):
        raise TypeError(
            f"{function}: cache is a {type(value).__name__}, but must be the {kind.__name__} "
            f"that the kernels' {function}_forward returned"
        )


def flat(array: np.ndarray) -> np.ndarray:
    """The numbers of an array one after the other, (n,): a view where they lie so, else a copy.

    A read-only array is copied too: to Numba it would be another type, and every kernel would be
    compiled again for it.
    """
    if array.flags.c_contiguous and array.flags.writeable:
        return array.reshape(-1)
    return np.array(array, order="C").reshape(-1)
