"""Grading: a learner's functions run in a process of their own, and are judged in this one."""
