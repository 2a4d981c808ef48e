"""Training: the loop, evaluation, log, settings, checkpoints, signals."""
