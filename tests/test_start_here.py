"""Start here: a dozen asserts that can be worked out on paper.

The other tests say the same in detail.
"""

import math

import numpy as np

from minigpt import GPT, GPTConfig, layers


def test_softmax_makes_probabilities_of_numbers():
    p, _ = layers.softmax_forward(np.array([0.0, math.log(3.0)]))  # e^0 = 1 and e^(ln 3) = 3, of 4
    assert np.allclose(p, [0.25, 0.75])


def test_a_loss_is_the_surprise_of_the_right_token():
    loss, cache = layers.cross_entropy_forward(
        np.zeros((1, 4)), np.array([2])
    )  # four equally probable tokens
    assert math.isclose(loss, math.log(4))
    # push token 2 up, the others down
    assert np.allclose(layers.cross_entropy_backward(1.0, cache), [[0.25, 0.25, -0.75, 0.25]])


def test_layer_norm_gives_mean_0_and_variance_1():
    # mean 2, both one away from it
    out, _ = layers.layer_norm_forward(np.array([[1.0, 3.0]]), np.ones(2), eps=0.0)
    assert np.allclose(out, [[-1.0, 1.0]])


def test_attention_mixes_the_values_and_sees_no_future():
    # all scores are equal: a query gets the mean of the keys that it may see
    q = k = np.zeros((1, 1, 2, 1))
    v = np.array([[[[2.0], [4.0]]]])
    out, _ = layers.attention_forward(q, k, v)
    assert np.allclose(out[0, 0], [[2.0], [3.0]])  # the first sees only itself


def test_a_gradient_is_the_slope_of_the_loss():
    """A gradient is the slope of the loss.

    Change one number a little: the output changes by the gradient times that.
    """
    x, h = np.array([0.7]), 1e-6
    _, cache = layers.gelu_forward(x)
    gradient = layers.gelu_backward(np.ones(1), cache)
    assert np.allclose(
        (layers.gelu_forward(x + h)[0] - layers.gelu_forward(x - h)[0]) / (2 * h), gradient
    )


def test_a_gpt_that_has_learnt_nothing_guesses():
    model = GPT(GPTConfig(vocab_size=50, block_size=8, n_layer=1, n_head=2, n_embd=16), seed=0)
    ids = np.arange(8)[None]
    loss, cache = model.loss(ids, ids + 1)
    assert abs(loss - math.log(50)) < 0.1  # 50 tokens, all with the same probability
    assert model.backward(cache).keys() == model.params.keys()


def test_a_few_steps_downhill_teach_it_to_count():
    model = GPT(GPTConfig(vocab_size=9, block_size=8, n_layer=1, n_head=2, n_embd=16), seed=0)
    ids = np.arange(8)[None]
    for _ in range(60):
        _, cache = model.loss(ids, ids + 1)
        for name, gradient in model.backward(cache).items():
            model.params[name] -= 0.2 * gradient
    assert model.loss(ids, ids + 1)[0] < 0.1
    assert model.generate(ids[:, :4], 3)[0].tolist() == [0, 1, 2, 3, 4, 5, 6]
