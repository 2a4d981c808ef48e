"""Where PyTorch is installed, the golden numbers are made again and compared with the files."""

import numpy as np
import pytest

from minigpt.checks.golden_numbers import numbers

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def test_the_files_are_what_the_script_makes():
    from minigpt.checks.golden.make import all_numbers

    for name, arrays in all_numbers().items():
        stored = numbers(name)
        assert stored.keys() == arrays.keys(), name
        for key, array in arrays.items():
            np.testing.assert_allclose(stored[key], array, rtol=1e-10, atol=1e-12, err_msg=f"{name}: {key}")
