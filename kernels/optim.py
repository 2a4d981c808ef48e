"""AdamW and the gradient norm of all parameters, one kernel call each.

A kernel call for each of 148 arrays would cost more than the arithmetic of the small ones. So the
kernel gets a table of addresses, with the arrays cut into pieces of equal size. The pieces do not
depend on the number of threads, and the norm's partial sums are added in the order of the pieces.
So 1 thread and 2 threads give bit-identical results.
"""

import ctypes
import math

import numba
import numpy as np

from kernels.expect import float32
from kernels.jit import DISABLED, compiled, parallel_kernel, prange
from minigpt import expect
from minigpt.optim import AdamWState, expect_adamw, is_decayed
from minigpt.optim import adamw_step as reference_adamw_step
from minigpt.optim import grad_norm as reference_grad_norm

PIECE = 65536  # numbers: 256 KiB
ONE = np.float32(1.0)

if DISABLED:

    def floats_at(address, n):
        """The n float32 numbers at an address."""
        return np.ctypeslib.as_array((ctypes.c_float * n).from_address(int(address)))

else:
    from numba import types
    from numba.extending import intrinsic

    @intrinsic
    def _pointer(typing, address):
        """An integer as an address of float32 numbers."""

        def codegen(context, builder, signature, args):
            return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

        return types.CPointer(types.float32)(types.intp), codegen

    @numba.njit
    def floats_at(address, n):
        """The n float32 numbers at an address."""
        return numba.carray(_pointer(address), (n,))


@compiled
def _squares(g):
    """The sum of squares, in float64."""
    total = 0.0
    for i in range(g.size):
        total += np.float64(g[i]) * np.float64(g[i])
    return total


@parallel_kernel
def _norm(addresses, sizes, sums):
    """Write each piece's sum of squares to sums.

    addresses, sizes, sums: (pieces,).
    """
    for piece in prange(sizes.size):
        sums[piece] = _squares(floats_at(addresses[piece], sizes[piece]))


@compiled
def _update(theta, g, m, v, scale, beta1, beta2, root, rate, eps, keep):
    for i in range(theta.size):
        gi = g[i] * scale
        mi = m[i] + (ONE - beta1) * (gi - m[i])
        vi = v[i] + (ONE - beta2) * (gi * gi - v[i])
        m[i], v[i] = mi, vi
        theta[i] = theta[i] * keep - rate * mi / (np.sqrt(vi) * root + eps)


@parallel_kernel
def _adamw(table, sizes, keeps, scale, beta1, beta2, root, rate, eps):
    """One step of AdamW on every piece.

    table: (4, pieces), the addresses of theta, g, m and v. sizes, keeps: (pieces,).
    """
    for piece in prange(sizes.size):
        n = sizes[piece]
        _update(
            floats_at(table[0, piece], n), floats_at(table[1, piece], n),
            floats_at(table[2, piece], n), floats_at(table[3, piece], n),
            scale, beta1, beta2, root, rate, eps, keeps[piece],
        )  # fmt: skip


def grad_norm(grads: dict[str, np.ndarray]) -> float:
    """As minigpt.optim.grad_norm.

    Raises TypeError if a gradient is not an array of floats.
    """
    expect.floats_of("grad_norm", "grads", grads)
    arrays = [_run(g) for g in grads.values()]
    if any(run is None or run.dtype != np.float32 for run in arrays):
        return reference_grad_norm(grads)
    addresses, sizes = _pieces(arrays)
    sums = np.empty(sizes.size, np.float64)
    _norm(addresses, sizes, sums)
    return math.sqrt(float(sums.sum()))


def adamw_step(
    params, grads, state: AdamWState, t, lr,
    beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0, grad_scale=1.0,
):  # fmt: skip
    """As minigpt.optim.adamw_step, in float32.

    A parameter that is not contiguous, or has another memory order than its state, is updated by
    the slower reference.
    """
    expect_adamw(params, grads, state, t)
    _expect_writable(params, state)
    names = [name for name in params if _lie_alike(params[name], state.m[name], state.v[name])]
    theta = [params[name] for name in names]
    # copies among these must live until the kernel has read them
    g = [_laid_as(grads[name], params[name]) for name in names]
    m, v = ([moments[name] for name in names] for moments in state)
    tables = [_pieces([_run(array) for array in group]) for group in (theta, g, m, v)]
    keeps = [1.0 - lr * weight_decay if is_decayed(array) else 1.0 for array in theta]
    keep_of = np.repeat(np.array(keeps, np.float32), [-(-array.size // PIECE) for array in theta])
    f = np.float32
    root, rate = f(1.0 / math.sqrt(1.0 - beta2**t)), f(lr / (1.0 - beta1**t))
    addresses, sizes = np.stack([addresses for addresses, _ in tables]), tables[0][1]
    _expect_apart(addresses[[0, 2, 3]], sizes)
    _adamw(addresses, sizes, keep_of, f(grad_scale), f(beta1), f(beta2), root, rate, f(eps))
    rest = {name: params[name] for name in params.keys() - set(names)}
    if rest:
        reference_adamw_step(rest, grads, state, t, lr, beta1, beta2, eps, weight_decay, grad_scale)


def _expect_writable(params: dict, state: AdamWState) -> None:
    """Raises TypeError, ValueError if params or state cannot be changed in place.

    params must be float32, and all arrays writeable.
    """
    # expect_adamw has checked that the state has the parameters' dtype
    float32("adamw_step", **params)
    for of, arrays in (("params", params), ("state.m", state.m), ("state.v", state.v)):
        for name in params:
            if not arrays[name].flags.writeable:
                raise ValueError(
                    f"adamw_step: {of}[{name!r}] is read-only, but is to be changed in place: copy "
                    "it"
                )


def _expect_apart(addresses: np.ndarray, sizes: np.ndarray) -> None:
    """Raises ValueError if two pieces overlap.

    Two threads would write the same number. addresses: (3, pieces), of theta, m and v; sizes:
    (pieces,), in numbers.
    """
    order = np.argsort(addresses, axis=None)
    begins, ends = addresses.reshape(-1)[order], (addresses + 4 * sizes).reshape(-1)[order]
    if (begins[1:] < ends[:-1]).any():
        raise ValueError(
            "adamw_step: two of the arrays in params, state.m and state.v share memory: copy one "
            "of them"
        )


def _lie_alike(theta: np.ndarray, *others: np.ndarray) -> bool:
    """Whether all arrays are contiguous and in the same memory order."""
    arrays = (theta, *others)
    return all(array.flags.c_contiguous for array in arrays) or all(
        array.flags.f_contiguous for array in arrays
    )


def _laid_as(g: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """The gradient in the memory order of its parameter, float32."""
    return np.asarray(g, np.float32, order="C" if theta.flags.c_contiguous else "F")


def _run(array: np.ndarray) -> np.ndarray | None:
    """An array's numbers in memory order; None if it is not contiguous."""
    transposed = array.T if array.flags.f_contiguous and not array.flags.c_contiguous else array
    return transposed.reshape(-1) if transposed.flags.c_contiguous else None


def _pieces(arrays: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Addresses and sizes of pieces of at most PIECE numbers, (pieces,) each."""
    addresses, sizes = [], []
    for array in arrays:
        address = array.__array_interface__["data"][0]
        for first in range(0, array.size, PIECE):
            addresses.append(address + 4 * first)
            sizes.append(min(PIECE, array.size - first))
    return np.array(addresses, np.int64), np.array(sizes, np.int64)
