"""A process that does one peer's work on request.

It reads a JSON line and writes a JSON line.
python -m minigpt.bench.worker PEER

Between its turns it waits for a line and sleeps, so that its threads leave the processors to the
others.
"""

import json
import sys
import time

TURN = 0.05  # seconds that a turn lasts at least, in calls
SETTLE = 0.1  # seconds until the threads of the previous peer are asleep


def main(peer: str) -> None:
    if peer == "torch":
        import torch

        from minigpt.bench.machine import cores

        torch.set_num_threads(cores())
    from minigpt.bench.peers import WORK

    work = None
    for line in sys.stdin:
        order = json.loads(line)
        if "work" in order:  # get ready: make the inputs, call once, compile
            work = WORK[order["work"]](peer, *order["sizes"])
            begun = time.perf_counter()
            work()
            answer = time.perf_counter() - begun
        else:
            answer = turn(work)
        print(json.dumps(answer), flush=True)


def turn(work) -> float:
    """Return the median time of some calls, after a warm-up call."""
    time.sleep(SETTLE)
    work()
    times, spent = [], 0.0
    while spent < TURN:
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
        spent += times[-1]
    return sorted(times)[len(times) // 2]


if __name__ == "__main__":
    main(sys.argv[1])
