"""Side by side: the kernels, the reference and, where it is installed, PyTorch, on the same work in
one run.

cases.py      what is measured: matmul, bias + GELU, attention, training steps, threads
peers.py      how each peer does it
worker.py     a process for each peer: idle threads of one pool would starve another's
run.py        the peers in turn, round after round; medians and ratios
limits.py     what the machine can do, memory, compile times
report.py     the table, RESULTS.md, the plot
torch_gpt.py  the peer of a training step: eager PyTorch
"""
