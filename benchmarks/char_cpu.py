"""nanoGPT's CPU run twice: minigpt and eager PyTorch, from the same weights and on the same batches, to the last step.

    python -m benchmarks.char_cpu --data tinyshakespeare.txt [--preset char-cpu] [--max-iters 2000]

Prints, for each, the loss over the whole validation split (every token once, in contexts of block_size) and the minutes of
training, evaluation excluded. Steps are interleaved in blocks of 100, so that both see the same weather on a shared machine.
"""

import argparse
import time

import numpy as np

try:
    import torch
except ImportError:
    raise SystemExit("benchmarks.char_cpu needs PyTorch: pip install -e '.[torch]'") from None

from minigpt.bench.torch_gpt import TorchGPT
from minigpt.data import load_data
from minigpt.optim import learning_rate
from minigpt.randomness import generator
from minigpt.settings import PRESETS, TrainSettings
from minigpt.train import new_run, train_step, whole_loss

BLOCK = 100  # steps of one before it is the other's turn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="shakespeare")
    parser.add_argument("--preset", default="char-cpu", choices=PRESETS)
    parser.add_argument("--max-iters", type=int)
    args = parser.parse_args()

    preset = PRESETS[args.preset]
    changed = {"max_iters": args.max_iters, "lr_decay_iters": args.max_iters} if args.max_iters else {}
    settings = TrainSettings(**(preset.train | changed))
    data = load_data(args.data)
    run = new_run("unused", data, preset.model, settings)
    peer = TorchGPT(run.model.config, run.model.params)
    optimizer = peer.optimizer(settings)
    seconds = {"minigpt": 0.0, "PyTorch": 0.0}
    for first in range(0, settings.max_iters, BLOCK):
        steps = range(first, min(first + BLOCK, settings.max_iters))
        begun = time.perf_counter()
        ours = [train_step(run)["loss"] for _ in steps]
        seconds["minigpt"] += time.perf_counter() - begun
        begun = time.perf_counter()
        theirs = [torch_step(peer, optimizer, data, settings, step) for step in steps]
        seconds["PyTorch"] += time.perf_counter() - begun
        print(f"steps to {steps[-1] + 1:5d}: training loss {np.mean(ours):.4f}, PyTorch {np.mean(theirs):.4f}", flush=True)
    losses = {"minigpt": whole_loss(run.model, data, "val"), "PyTorch": torch_whole_loss(peer, data)}
    for name, loss in losses.items():
        print(f"{name:8s} validation loss {loss:.4f} nats, {seconds[name] / 60:.2f} minutes of training")
    print(f"difference {losses['minigpt'] - losses['PyTorch']:+.4f} nats; time ratio {seconds['minigpt'] / seconds['PyTorch']:.2f}")


def torch_step(peer: TorchGPT, optimizer: torch.optim.AdamW, data, s: TrainSettings, step: int) -> float:
    """The step that minigpt.train.train_step makes, in PyTorch."""
    ids, targets = data.batch("train", generator(s.seed, "batch", step), s.batch_size, peer.config.block_size)
    lr = learning_rate(step, s.learning_rate, s.min_lr, s.warmup_iters, s.lr_decay_iters)
    return peer.step(optimizer, ids, targets, lr, s.grad_clip)


@torch.no_grad()
def torch_whole_loss(peer: TorchGPT, data) -> float:
    total, counted = 0.0, 0
    for ids, targets in data.whole("val", 64, peer.config.block_size):
        total += peer.loss(torch.from_numpy(ids), torch.from_numpy(targets)).item() * targets.size
        counted += targets.size
    return total / counted


if __name__ == "__main__":
    main()
