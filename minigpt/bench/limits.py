"""Measure the machine's limits, attention's memory, and compile times.

Each measurement is a separate process, in the peers' environment.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from minigpt.bench.environment import peer_environment

MACHINE = """
import json
from minigpt.bench.machine import describe
print(json.dumps(describe()))
"""

PEAK = """
import json
from kernels.peak import peak_gflops
print(json.dumps(peak_gflops()))
"""

SGEMM = """
import json, time, numpy as np
a = np.random.default_rng(0).standard_normal((2048, 2048), np.float32)
times = []
for _ in range(12):
    begun = time.perf_counter(); a @ a; times.append(time.perf_counter() - begun)
print(json.dumps(2 * 2048**3 / sorted(times)[len(times) // 2] / 1e9))
"""

BANDWIDTH = """
import json, time, numpy as np, kernels
grads = {"g": np.ones(1 << 26, np.float32)}
times = []
for _ in range(12):
    begun = time.perf_counter(); kernels.grad_norm(grads); times.append(time.perf_counter() - begun)
print(json.dumps(4 * (1 << 26) / sorted(times)[len(times) // 2] / 1e9))
"""

MEMORY = """
import json, sys, tracemalloc, numpy as np
from minigpt.ops import load_ops
ops, T = load_ops(sys.argv[1]), int(sys.argv[2])
def call(T):
    q, k, v, dout = (np.ones((1, 12, T, 64), np.float32) for _ in range(4))
    tracemalloc.start()  # counts what NumPy allocates; the kernels allocate nothing else
    ops.attention_backward(dout, ops.attention_forward(q, k, v)[1])
    return tracemalloc.get_traced_memory()[1] / 2**20
call(8)
tracemalloc.stop()
print(json.dumps(call(T)))
"""

COMPILE = """
import json
from minigpt.cli.warmup import warm_up
print(json.dumps(sum(warm_up(show=False).values())))
"""


class Limits(NamedTuple):
    """What no kernel on this machine can exceed, and what OpenBLAS reaches."""

    peak: float  # GFLOP/s of the register tile in the L1 cache
    sgemm: float  # GFLOP/s of OpenBLAS
    bandwidth: float  # GB/s read from memory

    def __str__(self) -> str:
        return (
            f"peak {self.peak:.0f} GFLOP/s (register tile in the L1 cache, all threads); "
            f"OpenBLAS sgemm 2048 x 2048 x 2048 {self.sgemm:.0f} GFLOP/s "
            f"({self.sgemm / self.peak:.0%} of peak); memory read {self.bandwidth:.0f} GB/s"
        )


def run(script: str, *arguments: object, **environment: str) -> object:
    """Run a script in a separate process, and return its JSON output.

    Raises RuntimeError with the last line of its errors if it fails.
    """
    command = [sys.executable, "-c", script, *map(str, arguments)]
    clean = peer_environment(**environment)
    done = subprocess.run(command, capture_output=True, text=True, env=clean, check=False)
    if done.returncode:
        raise RuntimeError(f"a measurement failed: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout)


def machine() -> dict[str, object]:
    """Return a description of the machine, as a peer sees it."""
    return run(MACHINE)


def measure_limits() -> Limits:
    """Measure the machine's peak, OpenBLAS's sgemm, and the memory's speed."""
    return Limits(run(PEAK), run(SGEMM), run(BANDWIDTH))


def attention_memory(ops: str, T: int) -> float:
    """Return the most MiB that forward and backward need.

    Results are included, inputs are not. B = 1, nh = 12, hs = 64.
    """
    return run(MEMORY, ops, T)


def cold_compile() -> float:
    """Return the seconds to compile a training run with an empty cache."""
    with tempfile.TemporaryDirectory() as empty:
        return run(COMPILE, NUMBA_CACHE_DIR=empty)


TRAIN = "--preset char-cpu --max-iters 1 --eval-batches 1 --sample-length 0 --ops numba --quiet"


def first_step(words: int = 20000) -> float:
    """Return the seconds until `minigpt train` finishes its first step.

    The model is char-cpu's, the cache is warm.
    """
    numbers = np.random.default_rng(0).integers(0, 1000, words)
    run(COMPILE)  # fill the cache for these settings: the earlier one may be for others
    with tempfile.TemporaryDirectory() as directory:
        text, out = Path(directory, "text.txt"), Path(directory, "run")
        text.write_text(" ".join(map(str, numbers)), encoding="utf-8")
        flags = [*TRAIN.split(), "--data", str(text), "--out", str(out)]
        command = [sys.executable, "-m", "minigpt", "train", *flags]
        return _until_first_step(command, out / "log.jsonl")


def _until_first_step(command: list[str], log: Path) -> float:
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=peer_environment(), **pipes) as process:
        begun = time.perf_counter()
        while process.poll() is None:
            if log.exists() and '"lr"' in log.read_text(encoding="utf-8"):
                break
            time.sleep(0.005)
        seconds = time.perf_counter() - begun
        said = process.communicate()[1]
    if process.returncode:
        raise RuntimeError(f"minigpt train failed: {said.strip()}")
    return seconds
