"""Grading: a learner's functions run in a separate process."""
