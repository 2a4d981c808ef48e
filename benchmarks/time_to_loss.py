"""Race PyTorch, the kernels and the reference on nanoGPT's CPU run.

Each runs in a separate process, in turn, to the last step.

    python -m benchmarks.time_to_loss --data tinyshakespeare.txt [--numpy] [--seed 1337]

All runs of the preset char-cpu start from the same weights and see the same batches. char-fast is
the same model with Muon and fewer steps. For each run it prints the loss over the whole validation
split (every token once, in contexts of block_size), the seconds of training without evaluation, and
the seconds until the loss is as low as PyTorch's at the end.
"""

import argparse
import multiprocessing
import os
import time
from multiprocessing.connection import Connection

from minigpt.bench.environment import removed
from minigpt.optim import learning_rate
from minigpt.text.data import load_data
from minigpt.training.evaluation import whole_loss
from minigpt.training.loop import train_step
from minigpt.training.randomness import generator
from minigpt.training.run import new_run
from minigpt.training.settings import PRESETS, TrainSettings

TURNS = 40  # turns that each run is cut into
LAST = 10  # the loss is computed before each of the last turns


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="shakespeare")
    parser.add_argument("--numpy", action="store_true", help="the reference too (minutes)")
    parser.add_argument("--seed", type=int, default=1337)
    args = parser.parse_args()
    for name in removed():  # before the processes start: they inherit what is left
        del os.environ[name]
    runners = [
        ("PyTorch", "torch", "char-cpu"),
        ("kernels", "numba", "char-cpu"),
        ("kernels, char-fast", "numba", "char-fast"),
    ]
    if args.numpy:
        runners.append(("NumPy", "numpy", "char-cpu"))
    race(args, runners)


def race(args: argparse.Namespace, runners: list[tuple[str, str, str]]) -> None:
    """Run all to their ends, in turn, and print the results."""
    context = multiprocessing.get_context("spawn")
    lines, seconds, losses, processes = {}, {}, {}, []
    for name, peer, preset in runners:
        lines[name], theirs = context.Pipe()
        processes.append(
            context.Process(
                target=worker, args=(theirs, peer, preset, args.data, args.seed), daemon=True
            )
        )
        processes[-1].start()
        lines[name].recv()  # ready: compiled, data read
        seconds[name], losses[name] = [], []
    for turn in range(TURNS):
        for name, line in lines.items():
            seconds[name].append(ask(line, turn))
            if turn >= TURNS - LAST:
                losses[name].append((sum(seconds[name]), ask(line, "loss")))
    for line, process in zip(lines.values(), processes, strict=True):
        line.send(None)  # the end of its orders
        process.join()
    target = losses["PyTorch"][-1][1]
    print(f"{'':20s} {'steps':>6s} {'val loss':>9s} {'training':>10s}   until {target:.4f} nats")
    for name, _, preset in runners:
        until = next((spent for spent, loss in losses[name] if loss <= target), None)
        reached = (
            "not reached"
            if until is None
            else f"{until:.1f} s, PyTorch takes x{sum(seconds['PyTorch']) / until:.2f}"
        )
        steps = PRESETS[preset].train["max_iters"]
        print(
            f"{name:20s} {steps:6d} {losses[name][-1][1]:9.4f} {sum(seconds[name]):8.1f} s   "
            f"{reached}"
        )


def ask(line: Connection, order: object) -> float:
    line.send(order)
    return line.recv()


def worker(line: Connection, peer: str, preset_name: str, data_name: str, seed: int) -> None:
    """Run one peer in a process.

    An order is a turn's number, answered by its seconds, or "loss", answered by the validation
    loss.
    """
    preset = PRESETS[preset_name]
    settings, data = TrainSettings(**(preset.train | {"seed": seed})), load_data(data_name)
    run = new_run("unused", data, preset.model, settings, "numpy" if peer == "torch" else peer)
    if peer == "torch":
        step, loss = torch_runner(run)
    else:
        step, loss = lambda: train_step(run), lambda: whole_loss(run.model, data, "val")
        if peer == "numba":
            from minigpt.cli.warmup import warm_up

            warm_up(show=False)
    line.send("ready")
    while (order := line.recv()) is not None:
        if order == "loss":
            line.send(loss())
            continue
        time.sleep(0.1)  # until the threads of the previous peer are asleep
        begun = time.perf_counter()
        for _ in range(
            settings.max_iters * order // TURNS, settings.max_iters * (order + 1) // TURNS
        ):
            step()
        line.send(time.perf_counter() - begun)


def torch_runner(run):
    """Return PyTorch's step and loss.

    They use the weights and batches of one of our runs.
    """
    import torch

    from minigpt.bench.torch_gpt import TorchGPT

    torch.set_num_threads(os.cpu_count() or 1)
    s, T, count = run.settings, run.model.config.block_size, iter(range(10**9))
    peer = TorchGPT(run.model.config, run.model.params)
    optimizer = peer.optimizer(s)

    def step() -> None:
        n = next(count)
        ids, targets = run.data.batch("train", generator(s.seed, "batch", n), s.batch_size, T)
        peer.step(
            optimizer,
            ids,
            targets,
            learning_rate(n, s.learning_rate, s.min_lr, s.warmup_iters, s.lr_decay_iters),
            s.grad_clip,
        )

    @torch.no_grad()
    def loss() -> float:
        total, counted = 0.0, 0
        for ids, targets in run.data.whole("val", 64, T):
            total += (
                peer.loss(torch.from_numpy(ids), torch.from_numpy(targets)).item() * targets.size
            )
            counted += targets.size
        return total / counted

    return step, loss


if __name__ == "__main__":
    main()
