"""Run the peers in turn, each in a separate process.

The results are a median for each peer, and the ratios.
"""

import importlib.util
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import NamedTuple

from minigpt.bench.cases import Case
from minigpt.bench.environment import peer_environment


class Result(NamedTuple):
    """A case, and each peer's seconds in each round."""

    case: Case
    seconds: dict[str, list[float]]

    def median(self, peer: str) -> float:
        return statistics.median(self.seconds[peer])

    def ratio(self, peer: str) -> float:
        """Return another peer's time divided by the first peer's time.

        It is the median over rounds; both are timed under the same load.
        """
        ours = self.seconds[self.case.peers[0]]
        return statistics.median(
            theirs / mine for theirs, mine in zip(self.seconds[peer], ours, strict=True)
        )

    def gflops(self, peer: str) -> float:
        return self.case.flops / self.median(peer) / 1e9


class Worker:
    """A peer's process, in the peers' environment (environment.py)."""

    def __init__(self, peer: str):
        one_thread = {"NUMBA_NUM_THREADS": "1"} if peer == "numba1" else {}
        environment = peer_environment(**one_thread)
        command = [sys.executable, "-m", "minigpt.bench.worker", peer]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def ask(self, order: dict) -> float:
        """Send an order and wait for the answer.

        Raises RuntimeError if the process has ended.
        """
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process of a peer ended: {' '.join(self.process.args)}")
        return json.loads(line)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def available() -> set[str]:
    """Return the peers that are installed."""
    return {"numba", "numba1", "numpy"} | (
        {"torch"} if importlib.util.find_spec("torch") else set()
    )


def measure(
    cases: Iterable[Case], show: Callable[[Result], object] = lambda result: None
) -> list[Result]:
    """Measure each case, and call `show` with each result."""
    here, workers, results = available(), {}, []
    try:
        for case in cases:
            peers = [peer for peer in case.peers if peer in here]
            for peer in peers:
                workers[peer] = workers.get(peer) or Worker(peer)
                workers[peer].ask({"work": case.work, "sizes": case.sizes})
            seconds = {peer: [] for peer in peers}
            for _ in range(case.rounds):
                for peer in peers:
                    seconds[peer].append(workers[peer].ask({}))
            results.append(Result(case, seconds))
            show(results[-1])
    finally:
        for worker in workers.values():
            worker.close()
    return results
