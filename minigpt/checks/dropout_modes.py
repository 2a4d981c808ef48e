"""Checks of dropout in every mode: every p, every mask, each head.

Which numbers are dropped is up to the implementation. These must hold: each number is 0 or scaled
by 1 / (1 - p); about p of them are 0; every head and every sequence draws its own mask; the
backward pass uses the forward's mask. At p = 0 nothing is drawn.
"""

import itertools
import math

import numpy as np

from minigpt.checks.core import Check, Line, both, equal, true

PS = (0.01, 0.3, 0.9)
MASKS = [
    ("causal", 40, 40, {}),
    ("causal, Tq < Tk", 30, 40, {}),
    ("causal, window 30", 40, 40, {"window": 30}),
    ("not causal", 40, 40, {"causal": False}),
    ("not causal, window 30", 40, 40, {"causal": False, "window": 30}),
]
# B, nh, hs; v is the identity matrix, so that the output is the attention weights
HEADS = (3, 2, 40)


def _rng() -> np.random.Generator:
    return np.random.default_rng(8)


def _plain_call(subject: object, x: np.ndarray, dout: np.ndarray) -> dict:
    outputs = {}
    for p in PS:
        out, cache = subject.dropout_forward(x, p, _rng())
        outputs[p] = {"out": out, "dx": subject.dropout_backward(dout, cache)}
        one_axis, _ = subject.dropout_forward(x.reshape(-1), p, _rng())
        outputs[p]["one axis"], outputs[p]["one row"] = (
            one_axis,
            subject.dropout_forward(x.reshape(1, -1), p, _rng())[0],
        )
    rng = _rng()
    outputs["nothing"] = {
        "out": subject.dropout_forward(x, 0.0, rng)[0],
        "untouched": _untouched(rng),
    }
    return outputs


def _untouched(rng: np.random.Generator) -> bool:
    """Whether nothing has been drawn since the generator was made."""
    return rng.bit_generator.state == _rng().bit_generator.state


def _plain_judge(got: dict, x: np.ndarray, dout: np.ndarray) -> list[Line]:
    lines = [
        equal("dropout p = 0: out", got["nothing"]["out"], x, 0.0),
        true(
            "dropout p = 0: draws nothing",
            got["nothing"]["untouched"],
            got["nothing"]["untouched"],
            "True",
        ),
    ]
    for p in PS:
        lines += _mask_lines(f"dropout p = {p}", got[p]["out"], x, p, len(x))
        for form in ("one axis", "one row"):
            lines += _mask_lines(
                f"dropout p = {p}, {form}", np.reshape(got[p][form], x.shape), x, p, len(x)
            )
        lines.append(
            equal(
                f"dropout p = {p}: dx", got[p]["dx"], dout * (np.asarray(got[p]["out"]) / x), 1e-9
            )
        )
    return lines


def _mask_lines(label: str, got: np.ndarray, whole: np.ndarray, p: float, draws: int) -> list[Line]:
    """Judge whether `got` is `whole` with about p of it dropped.

    The rest must be scaled by 1 / (1 - p). draws: the number of groups that draw a mask of their
    own.
    """
    fallen = np.asarray(got) == 0.0
    n, k = fallen.size, int(fallen.sum())
    spread = 6.0 * math.sqrt(n * p * (1.0 - p))
    groups = fallen.reshape(draws, -1)
    alike = (
        sum(bool((one == other).all()) for one, other in itertools.pairwise(groups))
        if p < 0.999
        else 0
    )
    return [
        equal(
            f"{label}: kept numbers are scaled", got, np.where(fallen, 0.0, whole / (1.0 - p)), 1e-9
        ),
        true(
            f"{label}: dropped",
            abs(k - n * p) <= spread,
            f"{k} of {n}",
            f"{n * p:.0f} +- {spread:.0f}",
        ),
        true(f"{label}: neighbours with one mask", alike == 0, alike, "0"),
    ]


def _attention_call(subject: object, q: np.ndarray, k: np.ndarray, dout: np.ndarray) -> dict:
    outputs = {}
    for name, Tq, Tk, mask in MASKS:
        # hs = Tk: out is the attention weights
        v = np.broadcast_to(np.eye(Tk), (*k.shape[:2], Tk, Tk)).copy()
        arguments = (q[:, :, :Tq], k[:, :, :Tk], v)
        whole, _ = subject.attention_forward(*arguments, **mask)
        for p in PS:
            out, cache = subject.attention_forward(*arguments, **mask, dropout_p=p, rng=_rng())
            dv = subject.attention_backward(dout[:, :, :Tq], cache)[2]
            outputs[f"attention {name}, p = {p}"] = {
                "whole": whole,
                "out": out,
                "dv": dv,
                "Tq": Tq,
                "p": p,
            }
        rng = _rng()
        out, _ = subject.attention_forward(*arguments, **mask, dropout_p=0.0, rng=rng)
        outputs[f"attention {name}, p = 0"] = {
            "whole": whole,
            "out": out,
            "untouched": _untouched(rng),
        }
    return outputs


def _attention_judge(outputs: dict, q: np.ndarray, k: np.ndarray, dout: np.ndarray) -> list[Line]:
    lines = []
    for label, got in outputs.items():
        if "untouched" in got:
            lines.append(equal(f"{label}: out", got["out"], got["whole"], 0.0))
            lines.append(
                true(f"{label}: draws nothing", got["untouched"], got["untouched"], "True")
            )
            continue
        whole, out = np.asarray(got["whole"]), np.asarray(got["out"])
        seen = whole > 0
        every = seen[0, 0]  # the mask is the same for each head
        lines += _mask_lines(
            label, out[:, :, every], whole[:, :, every], got["p"], HEADS[0] * HEADS[1]
        )
        dv = out.swapaxes(-1, -2) @ dout[:, :, : got["Tq"]]  # out = dropped @ v
        lines.append(equal(f"{label}: dv", got["dv"], dv, 1e-9))
    return lines


def _heads_call(subject: object, qkv: np.ndarray) -> dict:
    outputs = {}
    for name, Tq, Tk, mask in MASKS:
        if Tq == Tk:
            whole, _ = subject.multi_head_attention_forward(qkv, HEADS[1], **mask)
            for p in PS:
                out, cache = subject.multi_head_attention_forward(
                    qkv, HEADS[1], **mask, dropout_p=p, rng=_rng()
                )
                dqkv = subject.multi_head_attention_backward(np.ones_like(out), cache)
                outputs[f"multi_head_attention {name}, p = {p}"] = {
                    "whole": whole,
                    "out": out,
                    "dqkv": dqkv,
                    "p": p,
                }
    return outputs


def _heads_judge(outputs: dict, qkv: np.ndarray) -> list[Line]:
    lines = []
    B, nh, hs = HEADS
    for label, got in outputs.items():
        whole, out = (
            np.asarray(x).reshape(B, -1, nh, hs).swapaxes(1, 2) for x in (got["whole"], got["out"])
        )
        every = whole[0, 0] > 0
        lines += _mask_lines(label, out[:, :, every], whole[:, :, every], got["p"], B * nh)
        dv = np.asarray(got["dqkv"])[..., 2 * nh * hs :].reshape(B, -1, nh, hs).swapaxes(1, 2)
        # dout is all ones: each key's weights, summed over queries
        want = np.broadcast_to(out.sum(axis=2)[..., None], dv.shape)
        lines.append(equal(f"{label}: dv", dv, want, 1e-9))
    return lines


def _attention_inputs(rng: np.random.Generator) -> dict:
    B, nh, hs = HEADS
    return {name: 0.3 * rng.standard_normal((B, nh, hs, hs)) for name in ("q", "k", "dout")}


def _heads_inputs(rng: np.random.Generator) -> dict:
    B, nh, hs = HEADS
    qk = 0.3 * rng.standard_normal((B, hs, 2 * nh * hs))
    # T = hs, and each head's v is the identity matrix
    return {"qkv": np.concatenate([qk, np.tile(np.eye(hs), (B, 1, nh))], axis=-1)}


DROPOUT_MODES = [
    Check(
        "dropout.modes",
        "dropout: the right share for every p, nothing drawn at p = 0",
        both("dropout"),
        inputs=lambda rng: {
            "x": 1.0 + rng.random((4, 50, 40)),
            "dout": rng.standard_normal((4, 50, 40)),
        },
        call=_plain_call,
        judge=_plain_judge,
    ),
    Check(
        "attention.dropout_modes",
        "attention: dropout of the right share under every mask",
        both("attention"),
        inputs=_attention_inputs,
        call=_attention_call,
        judge=_attention_judge,
    ),
    Check(
        "multi_head_attention.dropout_modes",
        "multi_head_attention: dropout of the right share under every mask",
        both("multi_head_attention"),
        inputs=_heads_inputs,
        call=_heads_call,
        judge=_heads_judge,
    ),
]
