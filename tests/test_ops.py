"""Tests of a learner's functions over the reference, and of their mistakes."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minigpt import GPT, GPTConfig, by_hand, layers
from minigpt.ops import came_from, default_ops, load_ops

SOFTMAX = """
import numpy as np
calls = []
def softmax_forward(x):
    calls.append(x.shape)
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    p = e / e.sum(axis=-1, keepdims=True)
    return p, (p,)
def softmax_backward(dout, cache):
    (p,) = cache
    return p * (dout - (dout * p).sum(axis=-1, keepdims=True))
"""


def learner(tmp_path: Path, source: str, name: str = "mine.py") -> Path:
    path = tmp_path / name
    path.write_text(source, encoding="utf-8")
    return path


def test_a_learners_softmax_runs_inside_attention_and_the_model(tmp_path):
    ops = load_ops(learner(tmp_path, SOFTMAX))
    config = GPTConfig(vocab_size=7, block_size=5, n_layer=2, n_head=3, n_embd=6)
    ids = np.array([[1, 2, 3]])
    calls = ops.softmax_forward.__globals__["calls"]
    loss, cache = GPT(config, ops=ops).loss(ids, ids)
    assert len(calls) == 2  # once per layer
    want, want_cache = GPT(config).loss(ids, ids)
    assert loss == want
    for name, gradient in GPT(config, ops=ops).backward(cache).items():
        np.testing.assert_array_equal(gradient, GPT(config).backward(want_cache)[name])


def test_the_reference_is_left_alone(tmp_path):
    before = dict(vars(layers.attention_forward.__globals__["softmax_forward"]))
    load_ops(learner(tmp_path, SOFTMAX))
    assert layers.attention_forward.__globals__["softmax_forward"] is layers.softmax_forward
    assert dict(vars(layers.softmax_forward)) == before
    assert load_ops("numpy") is layers


def test_who_runs_it_is_told_what_came_from_where(tmp_path):
    lines = came_from(load_ops(learner(tmp_path, SOFTMAX)))
    assert [line.partition(":")[0] for line in lines] == ["softmax_forward", "softmax_backward"]
    assert "mine.py:4" in lines[0] and "mine.py:9" in lines[1]
    assert came_from(layers) == []


def test_the_loops_run_the_whole_model():
    config = GPTConfig(vocab_size=7, block_size=5, n_layer=1, n_head=2, n_embd=4)
    ids, targets = np.array([[1, 2, 3], [4, 5, 6]]), np.array([[2, 3, 4], [5, 6, 0]])
    models = [GPT(config, dtype=np.float64, ops=ops) for ops in ("numpy", by_hand)]
    results = [model.loss(ids, targets) for model in models]
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-12)
    grads = [model.backward(cache) for model, (_, cache) in zip(models, results, strict=True)]
    for name in grads[0]:
        np.testing.assert_allclose(grads[0][name], grads[1][name], atol=1e-12)


def test_a_folder_of_files(tmp_path):
    learner(tmp_path, SOFTMAX)
    learner(tmp_path, "def relu_forward(x):\n    return x, None\n", "other.py")
    assert set(load_ops(tmp_path).own) == {"softmax_forward", "softmax_backward", "relu_forward"}


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (
            "def softmax_foward(x): pass",
            ValueError,
            "softmax_foward is not in the contract; did you mean softmax_forward",
        ),
        ("x = 1", ValueError, "none of the contract's functions"),
        ("from minigpt.layers import gelu_forward", ValueError, "none of the contract's functions"),
        ("def f(:\n  pass", ValueError, "line 1: SyntaxError"),
        ("a = 1\nb = undefined\n", ValueError, "line 2: NameError"),
    ],
)
def test_mistakes_in_a_learners_file(tmp_path, source, error, message):
    with pytest.raises(error, match=message):
        load_ops(learner(tmp_path, source))


def test_a_function_defined_twice(tmp_path):
    learner(tmp_path, SOFTMAX)
    learner(tmp_path, SOFTMAX, "second.py")
    with pytest.raises(ValueError, match="defined twice"):
        load_ops(tmp_path)


def test_no_such_file():
    with pytest.raises(FileNotFoundError, match="numpy, numba, by_hand, or the path"):
        load_ops("nowhere.py")


def test_numba_that_is_not_installed(monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "numba" else find_spec(name)
    )
    assert default_ops() == "numpy"
    with pytest.raises(
        ImportError,
        match=r"Numba is not installed; install it \(pip install numba\), or use ops 'numpy'",
    ):
        GPT(GPTConfig(vocab_size=7, block_size=5, n_layer=1, n_head=2, n_embd=4), ops="numba")


def test_importing_minigpt_needs_numpy_alone():
    """Importing minigpt needs only NumPy.

    In this process nothing else can be imported.
    """
    script = """
import sys
BLOCKED = (
    "safetensors rich rich_argparse matplotlib numba torch hypothesis IPython jupyter".split()
)
class OnlyNumPy:
    def find_spec(self, name, path=None, target=None):
        root = name.partition(".")[0]
        if root in BLOCKED:
            raise ImportError(f"{root} is not there")
sys.meta_path.insert(0, OnlyNumPy())
import minigpt
import numpy as np
model = minigpt.GPT(minigpt.GPTConfig(vocab_size=7, block_size=5, n_layer=1, n_head=2, n_embd=4))
loss, cache = model.loss(np.array([[1, 2]]), np.array([[2, 3]]))
model.backward(cache)
model.generate(np.array([[1]]), 3)
import minigpt.checks, minigpt.by_hand, minigpt.optim, minigpt.text.data
"""
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, encoding="utf-8"
    )
    assert result.returncode == 0, result.stderr


def test_a_module_that_imports_the_rest_from_the_reference():
    """A module may import the rest from the reference.

    Its softmax still runs inside the reference's attention. What it only imports does not count as
    its functions.
    """
    from types import SimpleNamespace

    calls = []

    def softmax_forward(x):
        calls.append(x.shape)
        return layers.softmax_forward(x)

    module = SimpleNamespace(
        **{name: getattr(layers, name) for name in layers.__all__}
        | {"softmax_forward": softmax_forward}
    )
    ops = load_ops(module)
    ops.attention_forward(*np.ones((3, 1, 1, 2, 2)))
    assert len(calls) == 1 and ops.own == ("softmax_forward",)
    assert load_ops(ops) is ops
