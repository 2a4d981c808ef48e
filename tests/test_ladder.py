"""Tests of the ladder: rungs against float64, counts, tables, README.

Run as a script with NUMBA_DISABLE_JIT=1, this file counts what each rung reads and writes. That is
what test_without_compiler does.
"""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba")

from kernels.ladder import ATTENTION, BACKWARD, MATMUL, RUNGS, a3_lanes, common, report, table
from kernels.processor import processor
from kernels.tile import COLUMNS, ROWS
from minigpt import layers


def rung(name: str):
    return importlib.import_module(f"kernels.ladder.{name}")


def expect_exact(result: np.ndarray, numpy32: np.ndarray, exact: np.ndarray) -> None:
    """Check the error rule: at most twice NumPy's error in float32."""
    assert result.dtype == np.float32 and result.shape == exact.shape
    tiny = 8 * np.finfo(np.float32).eps * (np.abs(exact).max() + 1.0)
    error, allowed = np.abs(result - exact).max(), 2 * np.abs(numpy32 - exact).max() + tiny
    assert error <= allowed, f"error {error:.2e}, allowed {allowed:.2e}"


@pytest.mark.parametrize(
    "M, N, K", [(1, 1, 1), (5, 7, 3), (33, 65, 17), (40, 96, 70), (6, 1030, 131)]
)
@pytest.mark.parametrize("name", [name for name, _ in MATMUL])
def test_matmul(name, M, N, K):
    a, b = table.normal(M, K), table.normal(K, N, seed=1)
    c = rung(name).matmul(a, b)
    expect_exact(c, a @ b, a.astype(np.float64) @ b.astype(np.float64))
    c_transposed = rung(name).matmul(b.T, a.T)  # not row by row in memory
    np.testing.assert_allclose(c_transposed, c.T, rtol=1e-5, atol=1e-5 * np.abs(c).max())


@pytest.mark.parametrize("hs", [8, 16, 40])
@pytest.mark.parametrize("T", [1, 5, 33, 70])
def test_attention(T, hs):
    q, k, v, dout = (table.normal(2, 3, T, hs, seed=seed) for seed in range(4))
    results = {}
    for dtype in (np.float32, np.float64):
        out, cache = layers.attention_forward(*(array.astype(dtype) for array in (q, k, v)))
        results[dtype] = (out, *layers.attention_backward(dout.astype(dtype), cache))
    numpy32, exact = results[np.float32], results[np.float64]
    for name, _ in ATTENTION:
        expect_exact(rung(name).attention(q, k, v), numpy32[0], exact[0])
    out, lse = a3_lanes.attention_and_lse(q, k, v)
    for name, _ in BACKWARD:
        for i, gradient in enumerate(
            rung(name).attention_backward(q, k, v, out, lse, dout), start=1
        ):
            expect_exact(gradient, numpy32[i], exact[i])


def test_large_scores():
    """Scores of thousands need the running maximum: e^score would be infinite."""
    q, k, v = (
        100 * table.normal(1, 1, 70, 8),
        table.normal(1, 1, 70, 8, seed=1),
        table.normal(1, 1, 70, 8, seed=2),
    )
    exact, _ = layers.attention_forward(*(array.astype(np.float64) for array in (q, k, v)))
    for name, _ in ATTENTION:
        np.testing.assert_allclose(rung(name).attention(q, k, v), exact, atol=1e-3)


def test_bad_input():
    with pytest.raises(ValueError, match=r"a has shape \(2, 3\) and b \(2, 3\)"):
        rung("m0_plain").matmul(table.normal(2, 3), table.normal(2, 3))
    with pytest.raises(TypeError, match="b has dtype float64"):
        rung("m5_tile").matmul(table.normal(2, 3), np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"k has shape \(1, 1, 4, 8\)"):
        rung("a2_tiles").attention(
            table.normal(1, 1, 5, 8), table.normal(1, 1, 4, 8), table.normal(1, 1, 5, 8)
        )


def test_table(capsys, monkeypatch):
    monkeypatch.setattr(table, "ROUNDS", 2)
    table.main(["--size", "tiny"])
    printed = capsys.readouterr().out
    assert printed.isascii()
    assert max(map(len, printed.splitlines())) <= 80
    for name, adds in RUNGS:
        assert any(line.startswith(name) and adds in line for line in printed.splitlines()), (
            f"no line for {name}"
        )


def test_rungs_are_numbered_without_gaps():
    for first, rungs in (("m", MATMUL), ("a", ATTENTION), ("b", BACKWARD)):
        numbers = [name.split("_")[0] for name, _ in rungs]
        assert numbers == [f"{first}{i}" for i in range(len(rungs))]


def test_every_rung_is_a_file_and_every_file_is_listed():
    folder = Path(table.__file__).parent
    shared = {"__init__", "common", "report", "table"}
    files = {file.stem for file in folder.glob("*.py")} - shared
    assert files == {name for name, _ in RUNGS}


def expect_rungs_in_order(text: str) -> None:
    """Check that Markdown tables have one row per rung.

    A row has the rung's file and what it adds, in order.
    """
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| [")]
    assert [(row[0], row[-1]) for row in rows] == [
        (f"[{name}]({name}.py)", adds) for name, adds in RUNGS
    ]
    assert all(len(row) == 5 for row in rows)


def test_readme_has_every_rung():
    text = report.README.read_text(encoding="utf-8")
    assert text.count(report.BEGIN) == text.count(report.END) == 1
    before, _, rest = text.partition(report.BEGIN)
    measured, _, after = rest.partition(report.END)
    expect_rungs_in_order(measured)
    for name, _ in RUNGS:
        assert f"- **{name[:2]}** " in before + after, f"no sentence on {name}"


def test_markdown_and_readme(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(table, "ROUNDS", 2)
    table.main(["--size", "tiny", "--markdown"])
    text = capsys.readouterr().out
    expect_rungs_in_order(text)
    assert "table --size tiny --readme" in text and str(processor()) in text
    readme = tmp_path / "README.md"
    with pytest.raises(ValueError, match="must contain the lines"):
        readme.write_text("no markers", encoding="utf-8")
        report.write_readme(text, readme)
    readme.write_text(f"above\n{report.BEGIN}\nold\n{report.END}\nbelow\n", encoding="utf-8")
    for _ in range(2):  # the second time changes nothing
        report.write_readme(text.strip(), readme)
        expected = f"above\n{report.BEGIN}\n\n{text.strip()}\n\n{report.END}\nbelow\n"
        assert readme.read_text(encoding="utf-8") == expected


def test_without_compiler():
    environment = os.environ | {
        "NUMBA_DISABLE_JIT": "1",
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "MINIGPT_TILE": "",
    }
    done = subprocess.run(
        [sys.executable, __file__],
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr


class Counted(np.ndarray):
    """An array that counts its reads and writes."""

    read = written = 0

    def __getitem__(self, key):
        found = super().__getitem__(key)
        Counted.read += not isinstance(found, np.ndarray)  # a view reads nothing yet
        return found

    def __setitem__(self, key, value):
        Counted.written += np.size(self.view(np.ndarray)[key])
        super().__setitem__(key, value)

    def __array_ufunc__(self, ufunc, method, *inputs, **more):
        Counted.read += sum(array.size for array in inputs if isinstance(array, Counted))
        return getattr(ufunc, method)(
            *(a.view(np.ndarray) if isinstance(a, Counted) else a for a in inputs), **more
        )


def count_traffic() -> None:
    """Compare the `traffic` of each rung with what its loops do.

    The rungs that are kernels are only run, because their `traffic` counts whole tiles.
    """

    def counted(make):
        def counting(shape, dtype=float):
            array = make(shape, dtype)
            few = array.size < 64 or array.shape[:1] == (5,)  # the few numbers per query
            registers = array.shape == (ROWS, COLUMNS)
            return array if few or registers else array.view(Counted)

        return counting

    for topic in table.topics("tiny"):
        table.check(topic, [rung(name) for name, _ in topic.rungs])
    product = (table.normal(8, 70), table.normal(70, 16))
    lse = a3_lanes.attention_and_lse(*(table.normal(1, 2, 40, 8) for _ in range(3)))[1]
    np.empty, np.zeros = counted(np.empty), counted(np.zeros)
    for name in [name for name, _ in RUNGS if "kernel" not in name]:
        module = rung(name)
        shape = (1, 2, 64 if name == "a3_lanes" else 40, 8)  # a3 needs whole blocks
        for seen in {"matrices", "heads"} & vars(module).keys():
            arguments = getattr(common, seen)
            setattr(
                module,
                seen,
                lambda *a, f=arguments, **b: [array.view(Counted) for array in f(*a, **b)],
            )
        # (2, 64): lse, not counted
        module.empty = lambda shape: (np.ones if shape == (2, 64) else np.empty)(shape, np.float32)
        q = table.normal(*shape)
        calls = {
            "matmul": product,
            "attention": (q, q, q),
            "attention_backward": (q, q, q, q, lse, q),
        }
        call = next(call for call in calls if hasattr(module, call))
        Counted.read = Counted.written = 0
        getattr(module, call)(*calls[call])
        expected = module.traffic(8, 16, 70) if call == "matmul" else module.traffic(*shape)
        assert (Counted.read, Counted.written) == expected, (
            f"{name}: {Counted.read, Counted.written}, not {expected}"
        )


if __name__ == "__main__":
    count_traffic()
