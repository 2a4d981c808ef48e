"""Golden numbers: made once with PyTorch by make.py, kept as .npz, read by ../reference_numbers.py.

No test needs PyTorch.
"""
