"""What kernels ask of an array beyond what the reference asks: float32, and its numbers side by side."""

import numpy as np


def float32(function: str, **arrays: np.ndarray | None) -> None:
    """Every array (None is skipped) is float32. Else TypeError."""
    for name, array in arrays.items():
        if array is not None and array.dtype != np.float32:
            raise TypeError(
                f"{function}: {name} has dtype {array.dtype}, but the kernels compute in float32: "
                f"use {name}.astype(np.float32), or the reference (ops='numpy'), which takes any float dtype"
            )


def flat(array: np.ndarray) -> np.ndarray:
    """The numbers of a float32 array one after the other, (n,): a view where they lie so, else a copy.

    A read-only array is copied too: to Numba it would be another type, and every kernel would be compiled anew for it.
    """
    if array.flags.c_contiguous and array.flags.writeable:
        return array.reshape(-1)
    return np.array(array, np.float32, order="C").reshape(-1)
