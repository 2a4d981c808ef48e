"""Side by side: the kernels, the reference and, where it is installed, PyTorch, on the same work in
one run.

cases.py      what is measured: matmul, bias + GELU, attention, training steps, threads
peers.py      how each peer does it
worker.py     a process for each peer: idle threads of one pool would starve another's
run.py        the peers in turn, round after round; medians and ratios
environment.py  the environment in which the peers are started
machine.py    the processor, the libraries' kernels, the versions
peak.py       the machine's own peak: the register tile in the L1 cache
limits.py     what the machine can do, memory, compile times
report.py     the tables, a results file for each machine, the plot
torch_gpt.py  the peer of a training step: eager PyTorch
"""
