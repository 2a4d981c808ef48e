# %% [markdown]
# # 05 Attention
#
# *How does a token look at others, and why are the scores divided by the root of hs?*
#
# Until here every token was by itself: its row of the table, its layer norm, its linear layers. Attention is the one place of a GPT where
# a token learns about others. It asks a question, compares it with what each earlier token offers, and takes a weighted mean.
#
# | letter | meaning | in the running example |
# |---|---|---|
# | $T$ | tokens | 5, the letters of "trans" |
# | $hs$ | head size: numbers in a query, a key, a value | 2 |
# | $q_i$ | query of token $i$: what it looks for | a row of $Q$, $(T, hs)$ |
# | $k_j$ | key of token $j$: what it can be found by | a row of $K$, $(T, hs)$ |
# | $v_j$ | value of token $j$: what it gives when it is looked at | a row of $V$, $(T, hs)$ |
# | $S, P$ | scores and weights, query on rows, key on columns | $(T, T)$ |
# | $G$ | the gradient that arrives, of the output's shape | $(T, hs)$ |

# %%
import math

import numpy as np

import minigpt
from minigpt import by_hand, layers, plots
from minigpt.checks.core import numerical_gradient
from minigpt.formulas import formula, refutation
from minigpt.notebook import answer, check, same, show, source
from minigpt.tiny import tiny_model, tiny_tokenizer

np.set_printoptions(precision=3, suppress=True)

# %% [markdown]
# ## Make it hurt
#
# Without attention, a token could take the mean of all tokens before it. *Predict before you run: here is a text of two letters, and the
# task is to say whether the first letter comes again. How many different answers can the mean of the letters' vectors give at the end
# of "abb" and of "bab"?*

# %%
table = {"a": np.array([1.0, 0.0]), "b": np.array([0.0, 1.0])}
for text in ("abb", "bab", "bba"):
    print(text, np.mean([table[letter] for letter in text], axis=0))

# %% [markdown]
# One. A mean with fixed weights cannot tell them apart, and it gives each letter the same share, whatever is asked. The weights must
# depend on the tokens. That is attention: **a weighted mean whose weights are computed from the tokens themselves.**
#
# ## The formula
#
# Vaswani et al. 2017, equation 1. The mask $M$ hides what comes later: a model that may look at the next letter learns nothing by
# predicting it.

# %%
formula("attention.forward")

# %% [markdown]
# ## On paper
#
# The example of the table: three tokens, $hs = 2$, $q = k = [[1, 0], [0, 1], [1, 1]]$. Take the last query, $q_2 = [1, 1]$.
#
# * Its products with the three keys: $1, 1, 2$. Divided by $\sqrt 2$: $0.707, 0.707, 1.414$.
# * $e$ to these: $2.028, 2.028, 4.113$; their sum is $8.169$. The weights: $0.248, 0.248, 0.503$.
# * The mean of the values $[1, 2], [3, 4], [5, 6]$ with these weights: $0.248 + 0.745 + 2.517 = 3.510$, and one more for the second channel.

# %%
q = k = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])  # (T, hs)
v = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])  # (T, hs)
scores = q[2] @ k.T / math.sqrt(2)  # (T,)
weights = np.exp(scores) / np.exp(scores).sum()  # (T,)
print("weights", weights, "output", weights @ v)

# %% [markdown]
# ## In loops, and in NumPy
#
# The loops: for each query, its scores with the keys it may see, their softmax, the weighted sum of the values. The NumPy does all queries of
# all heads of all texts at once; that is what the two axes in front, $B$ and $nh$, are for (notebook 06).

# %%
source(by_hand.visible_keys, by_hand.attention_weights, by_hand.attention_forward)

# %%
source(layers.attention_forward)

# %% [markdown]
# The kernel has the same arguments and gives the same numbers, and never stores $S$ or $P$. How, is notebook 15.

# %%
import kernels

source(kernels.attention_forward)

# %% [markdown]
# ## In the running example
#
# "trans" has come through layer norm (07) and through a linear layer that makes queries, keys and values (04). Head 0, five letters:

# %%
trace = minigpt.trace(tiny_model(), "trans", tiny_tokenizer(), targets="ransf")
step = trace.find("h.0.attn.heads.attention", "attention_forward")
Q, K, V = (step.inputs[name][0, 0] for name in "qkv")  # head 0, (T, hs) each
show(plots.attention_steps(Q, K, V, list("trans")))

# %% [markdown]
# Read a row: the last, "s", looks at "r" with a weight of 0.71 and at itself with 0.25. The first, "t", has no choice: there is only
# itself. And "r" looks at itself so hard that its weight is written 1.00.

# %%
S = Q @ K.T / math.sqrt(2)  # (T, hs) @ (hs, T) -> (T, T)
visible = layers.attention.attention_mask(5, 5)  # (T, T), True on and below the diagonal
P, _ = layers.softmax_forward(np.where(visible, S, -np.inf))  # (T, T), each row sums to 1
same("P", P, step.cache["softmax.p"][0, 0])
same("out", P @ V, step.out[0, 0])  # (T, T) @ (T, hs) -> (T, hs)
print("the weights of s:", P[4])

# %% [markdown]
# ## Why the root of hs
#
# If the numbers in $q$ and $k$ have mean 0 and variance 1, each product $q_c k_c$ has mean 0 and variance 1, and the sum of $hs$ of them
# has variance $hs$. Its standard deviation is $\sqrt{hs}$: 8 for $hs = 64$. A softmax of numbers that differ by 8 has one winner.

# %%
formula("attention.variance")

# %%
show(plots.score_growth((16, 64, 256), np.random.default_rng(0)))

# %% [markdown]
# *Break it.* Leave the root out, and look at what it does to learning. The gradient that goes through a softmax is multiplied by $p (1 - p)$ and
# $p_i p_j$ (notebook 03). Where one weight is 1 and the others 0, all of these are 0.

# %%
rng = np.random.default_rng(1)
for hs in (4, 64, 256):
    q, k = rng.normal(size=(2, 200, 8, hs))  # 200 times 8 queries and 8 keys
    for name, scale in (("without", 1.0), ("with", 1 / math.sqrt(hs))):
        p, _ = layers.softmax_forward(q @ k.swapaxes(-1, -2) * scale)  # (200, 8, 8)
        slope = (p * (1 - p)).mean()
        print(
            f"hs {hs:3d} {name:8s} largest weight {p.max(-1).mean():.2f}, mean p(1 - p) {slope:.3f}"
        )

# %% [markdown]
# With the root, nothing changes from 4 to 256. Without it, at 256 almost nothing of the gradient is left. Dividing by $hs$ itself, as is
# also seen, is the opposite mistake: all scores become equal, and attention is a plain mean.

# %%
refutation("attention.divided_by_d")

# %% [markdown]
# ## The mask
#
# Token $i$ must not see token $j > i$. The mask puts $-\infty$ there *before* the softmax, so that the weight is exactly 0 and the rest
# sums to 1. *Predict:* change the last letter's key and value. Which rows of the output move?

# %%
K2, V2 = K.copy(), V.copy()
K2[4], V2[4] = 9.0, -9.0


def attend(q, k, v, **options):
    """One head: (T, hs) arrays in and out."""
    return layers.attention_forward(q[None, None], k[None, None], v[None, None], **options)[0][0, 0]


moved = np.abs(attend(Q, K2, V2) - attend(Q, K, V)).max(axis=1)  # (T,)
print("by how much each row moves:", moved)

# %% [markdown]
# The last row alone. Setting weights to zero *after* the softmax hides the future as well, but the weights no longer sum to 1, and what
# is missing still depends on the future:

# %%
refutation("attention.mask_after_softmax")

# %% [markdown]
# When a text is continued, there are fewer queries than keys: the new tokens are the queries, and all tokens are keys. The queries are
# the *last* ones, so the mask is aligned to the lower right corner.

# %%
formula("attention.mask")

# %%
refutation("attention.upper_left")

# %% [markdown]
# And a window lets a query see its own key and the $w - 1$ before it; every other layer of GPT-3 has one.

# %%
formula("attention.window")

# %% [markdown]
# ## The gradient, line by line
#
# Forward, for one head, in three lines; the scale is $s = 1/\sqrt{hs}$:
#
# $$S = s\,Q K^\top \;\; (T, T), \qquad P = \mathrm{softmax}(S + M) \;\; (T, T), \qquad O = P V \;\; (T, hs)$$
#
# Backward, from the last line to the first. $G = \partial L / \partial O$, $(T, hs)$.
#
# **1. $O = PV$** is a product. Notebook 04 derived both sides of one: $dV = P^\top G$, $(T, T)^\top (T, hs) \to (T, hs)$, and
# $dP = G V^\top$, $(T, hs)(hs, T) \to (T, T)$. In words: $dV_j$ collects $G_i$ from every query $i$ that looked at $j$, as much as it looked.
#
# **2. $P = \mathrm{softmax}(S + M)$**, each row by itself. Notebook 03: $dS_{ij} = P_{ij}\big(dP_{ij} - \sum_l dP_{il} P_{il}\big)$, $(T, T)$. Where the mask
# hides, $P_{ij} = 0$, and so is $dS_{ij}$: nothing more is needed for the mask.
#
# **3. $S = s\,Q K^\top$**, in indices $S_{ij} = s \sum_c Q_{ic} K_{jc}$. Query $i$ is in row $i$, key $j$ in column $j$:
#
# $$dQ_{ic} = s \sum_j dS_{ij} K_{jc}, \qquad dK_{jc} = s \sum_i dS_{ij} Q_{ic}$$
#
# As matrices, $dQ = s\; dS\; K$ and $dK = s\; dS^\top Q$, both $(T, hs)$. The sum for a key runs down a *column* of $dS$: hence the transpose.

# %%
G = trace.find("h.0.attn.heads.attention", "attention_backward").inputs["dout"][0, 0]  # (T, hs)
dV = P.T @ G  # (T, T) @ (T, hs) -> (T, hs)
dP = G @ V.T  # (T, hs) @ (hs, T) -> (T, T)
dS = P * (dP - (dP * P).sum(axis=1, keepdims=True))  # (T, T)
dQ = dS @ K / math.sqrt(2)  # (T, T) @ (T, hs) -> (T, hs)
dK = dS.T @ Q / math.sqrt(2)  # (T, T) @ (T, hs) -> (T, hs)

# %%
source(layers.attention_backward)

# %% [markdown]
# ## The proof
#
# Move each number of $Q$, $K$ and $V$ a little, and see how far $\sum G \odot O$ moves.

# %%
back = trace.find("h.0.attn.heads.attention", "attention_backward").outputs
measured = {
    "dq": numerical_gradient(lambda a: (G * attend(a, K, V)).sum(), Q),
    "dk": numerical_gradient(lambda a: (G * attend(Q, a, V)).sum(), K),
    "dv": numerical_gradient(lambda a: (G * attend(Q, K, a)).sum(), V),
}
for name, mine in (("dq", dQ), ("dk", dK), ("dv", dV)):
    same(f"{name}, by the formula", mine, measured[name], 1e-8)
    same(f"{name}, by the trace", back[name][0, 0], measured[name], 1e-8)

# %%
formula("attention.backward_q")

# %%
formula("attention.backward_k")

# %%
formula("attention.backward_v")

# %%
matrices = [("G", G), ("dP = G V^T", dP), ("dS", dS), ("dQ", dQ), ("dK", dK), ("dV", dV)]
show(plots.heatmaps(matrices, per_row=3))

# %% [markdown]
# Look at the row of "r" in $dS$: nearly 0. Its weight was 1.00, and a softmax that is sure does not learn. And the first row is exactly 0: "t"
# had no choice to make.
#
# ## What the gradient cannot do
#
# The rows of $dS$ sum to 0: a softmax does not see a constant. So a bias that is added to all keys, which adds the same $q_i \cdot b$ to all scores
# of row $i$, has no gradient, ever. *Predict:* what does Adam do with a gradient that is nothing but rounding noise?

# %%
formula("attention.backward_sum")

# %%
bias = trace.find("h.0.attn.c_attn", "linear_backward").outputs["dbias"]  # (3C,), of q, k and v
for name, part in zip("qkv", bias.reshape(3, 4), strict=True):
    print(f"bias of {name}: largest gradient {np.abs(part).max():.1e}")

# %% [markdown]
# Adam divides a gradient by its own size (notebook 11), so noise becomes steps. They do no harm here: the loss does not depend on this bias.
#
# ## What goes wrong
#
# A public NumPy transformer has `reshape` where the transpose of $dS$ must stand. For $T_q = T_k$ both have the same shape, the model
# trains, a little worse, and nobody sees it. It needs a number:

# %%
refutation("attention.dk_reshaped")

# %% [markdown]
# ## Exercises
#
# **1.** Two keys fit a query equally well, the others not at all (their scores are $-10^4$). What is the weight of each of the two? And if a
# third key fits with a score that is larger by $\ln 2$?

# %%
two, larger = None, None  # the weight of each of the two; the weight of the third

answer("each of the two", two, 0.5)
answer(
    "the third",
    larger,
    0.5,
    {2 / 3: "only one of the two is counted", math.log(2): "that is the score"},
)

# %% [markdown]
# **2.** Write the backward yourself. `cache` has the fields `q`, `k`, `v` $(B, nh, T, hs)$, `softmax` (its `p` are the weights), `dropped` (the weights
# after dropout: without dropout they are `p`) and `dropout`. `layers.softmax_backward(dp, cache.softmax)` and `layers.dropout_backward(d, cache.dropout)` are there
# for you. A swap of the last two axes is `.swapaxes(-1, -2)`.


# %%
def attention_backward(dout, cache):
    raise NotImplementedError("05.2: dq, dk, dv")


check(attention_backward=attention_backward)

# %% [markdown]
# ## In three lines
#
# * Attention is a weighted mean of values; the weights are a softmax of products of queries and keys, of what is visible.
# * $\sqrt{hs}$ keeps the scores at variance 1, whatever the head size; without it the softmax is sure of itself, and stops learning.
# * Backward: $dV = P^\top G$, $dP = G V^\top$, $dS = P \odot (dP - \mathrm{rowsum}(dP \odot P))$, $dQ = s\,dS\,K$, $dK = s\,dS^\top Q$.
#
# **Where it is:** `minigpt/layers/attention.py`, by hand in `minigpt/by_hand.py`, the kernel in `kernels/attention.py` and `kernels/flash.py`;
# `minigpt check attention` proves all of it. Before: 04, linear layers. Next: 06, many heads; 15, flash attention.
