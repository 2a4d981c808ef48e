"""Training: the loop, evaluation, the log, settings, checkpoints, and stopping on a signal."""
