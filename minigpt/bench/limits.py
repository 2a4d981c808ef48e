"""What the machine can do, and what is no matter of speed: memory of attention, seconds of
compiling.

Each in a fresh process.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

PEAK = """
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

COLD = """
import json
from minigpt.cli.warmup import warm_up
print(json.dumps(sum(warm_up(show=False).values())))
"""


def run(script: str, *arguments: object, **environment: str) -> object:
    """What a script prints as JSON, in a process of its own.

    Raises RuntimeError with its last words where it fails.
    """
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | environment, check=False
    )
    if done.returncode:
        raise RuntimeError(f"a measurement failed: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout)


def peak_gflops() -> float:
    """OpenBLAS's sgemm on large square matrices: what the machine is said to be able to do."""
    return run(PEAK)


def read_gigabytes() -> float:
    """Gigabytes a second that all threads together read."""
    return run(BANDWIDTH)


def attention_memory(ops: str, T: int) -> float:
    """MiB that forward and backward take at their peak, beyond their inputs, results included: B =
    1, nh = 12, hs = 64.
    """
    return run(MEMORY, ops, T)


def cold_compile() -> float:
    """Seconds to compile all that a training run needs, with an empty cache."""
    with tempfile.TemporaryDirectory() as empty:
        return run(COLD, NUMBA_CACHE_DIR=empty)


def first_step(words: int = 20000) -> float:
    """Seconds from the start of `minigpt train` (char-cpu's model, warm cache) until its first step
    is done.
    """
    import time

    with tempfile.TemporaryDirectory() as directory:
        text = Path(directory, "text.txt")
        text.write_text(
            " ".join(str(n) for n in np.random.default_rng(0).integers(0, 1000, words)),
            encoding="utf-8",
        )
        out = Path(directory, "run")
        command = [
            sys.executable,
            "-m",
            "minigpt",
            "train",
            "--preset",
            "char-cpu",
            "--data",
            str(text),
            "--out",
            str(out),
        ]
        command += [
            "--max-iters",
            "1",
            "--eval-batches",
            "1",
            "--sample-length",
            "0",
            "--ops",
            "numba",
            "--quiet",
        ]
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as process:
            begun = time.perf_counter()
            while process.poll() is None:
                log = out / "log.jsonl"
                if log.exists() and '"lr"' in log.read_text(encoding="utf-8"):
                    break
                time.sleep(0.005)
            seconds = time.perf_counter() - begun
            said = process.communicate()[1]
    if process.returncode:
        raise RuntimeError(f"minigpt train failed: {said.strip()}")
    return seconds


def machine() -> dict[str, object]:
    """What a reader must know of the machine and of the versions."""
    from importlib import metadata

    versions = {}
    for name in ("numpy", "numba", "llvmlite", "torch"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **versions,
    }


def processor() -> str:
    """The processor's name, and the tile that is used on it."""
    from kernels.tile import LANES, ROWS, VECTORS

    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.partition(":")[2].strip()
            for line in info.read_text().splitlines()
            if line.startswith("model name")
        ]
        name = names[0] if names else name
    return f"{name}, tile {LANES} lanes x {ROWS} rows x {VECTORS} vectors"
