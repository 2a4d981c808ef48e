"""Compare the kernels, the reference and PyTorch on the same work.

PyTorch is compared only if it is installed.

    cases.py        what is measured: matmul, bias + GELU, attention, training steps, threads
    peers.py        how each peer does it
    worker.py       a process for each peer: idle threads of one pool would slow another's
    run.py          the peers in turn, round after round; medians and ratios
    environment.py  the environment in which the peers are started
    machine.py      the processor, the libraries' kernels, the versions
    limits.py       the machine's peak and memory speed, attention's memory, compile times
    report.py       the tables, a results file for each machine, the plot
    torch_gpt.py    the peer of a training step: eager PyTorch
"""
