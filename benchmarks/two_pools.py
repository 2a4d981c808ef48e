"""Measure NumPy's thread pool beside the kernels'.

Waiting threads cost time, and two settings of the environment change that.

    python -m benchmarks.two_pools

Each measurement is a separate process, with the settings in turn; the results are medians. A call
is linear_forward of 768 x 128 x 384. A step is one of the char GPT (4 layers, 128 channels, block
64, batch 12) on random tokens.
"""

import json
import statistics
import subprocess
import sys
from itertools import product

from minigpt.bench.environment import peer_environment

SETTINGS = ["", "OPENBLAS_THREAD_TIMEOUT=4", "OMP_WAIT_POLICY=passive"]
ROUNDS = 3
CALL = """
import json, time
import numpy as np
import kernels
draw, shapes = np.random.default_rng(0), ((768, 128), (128, 384), (512, 512))
x, w, a = (draw.standard_normal(shape, np.float32) for shape in shapes)
def median(before):
    times = []
    for i in range(40):
        before()
        begun = time.perf_counter()
        kernels.linear_forward(x, w)
        times.append(time.perf_counter() - begun)
    return 1e3 * float(np.median(times[10:]))
pause = lambda: time.sleep(0.05)
settings = (lambda: None, lambda: a @ a, lambda: (a @ a, pause()), pause)
print(json.dumps([median(before) for before in settings]))
"""
STEP = """
import json, sys, time
import numpy as np
from minigpt import GPT, GPTConfig
from minigpt.ops import optimizer
from minigpt.optim import adamw_init
model = GPT(GPTConfig(65, 64, 4, 4, 128, bias=False), ops=sys.argv[1])
ids, state, times = np.random.default_rng(0).integers(0, 65, (12, 65)), adamw_init(model.params), []
for t in range(1, 31):
    begun = time.perf_counter()
    grads = model.backward(model.loss(ids[:, :-1], ids[:, 1:])[1])
    optimizer(model.ops).adamw_step(model.params, grads, state, t, 1e-3)
    times.append(time.perf_counter() - begun)
print(json.dumps([1e3 * float(np.median(times[10:]))]))
"""


def measured(setting: str, script: str, *arguments: str) -> list[float]:
    """Return what a script prints, in milliseconds, run under a setting."""
    environment = peer_environment(**dict([setting.split("=")]) if setting else {})
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    what = {"call": (CALL,), "numba": (STEP, "numba"), "numpy": (STEP, "numpy")}
    results: dict[tuple[str, str], list[list[float]]] = {
        (s, kind): [] for s, kind in product(SETTINGS, what)
    }
    for _ in range(ROUNDS):
        for setting, kind in results:
            results[setting, kind].append(measured(setting, *what[kind]))
    columns = [
        ("alone", 7),
        ("product", 8),
        ("product, 50 ms", 15),
        ("50 ms", 7),
        ("step numba", 11),
        ("step numpy", 11),
    ]
    print(f"{'milliseconds':28s}", *(f"{title:>{width}s}" for title, width in columns))
    for setting in SETTINGS:
        call, numba, numpy = (
            [statistics.median(column) for column in zip(*results[setting, kind], strict=True)]
            for kind in what
        )
        said = " ".join(
            f"{value:{width}.2f}" for value, width in zip(call, (7, 8, 15, 7), strict=True)
        )
        print(f"{setting or 'nothing set':28s} {said} {numba[0]:11.1f} {numpy[0]:11.1f}")


if __name__ == "__main__":
    main()
