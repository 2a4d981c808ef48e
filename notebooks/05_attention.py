# %% [markdown]
# # 05 Attention
#
# *How does a token look at others, and why are the scores divided by the root of hs?*
#
# In a GPT, everything but attention treats every token by itself: its row of the table (02), its
# linear layers (04), its layer norm (07, still to come). Attention is the one place where a token
# learns about others. It asks a question, compares it with what each earlier token offers, and
# takes a weighted mean.
#
# | symbol | meaning | in the running example |
# |---|---|---|
# | $T$ | tokens | 5, the characters of "trans" |
# | $hs$ | head size: numbers in a query, a key, a value | 2 |
# | $q_i$ | query of token $i$: what it looks for | a row of $Q$, $(T, hs)$ |
# | $k_j$ | key of token $j$: what it can be found by | a row of $K$, $(T, hs)$ |
# | $v_j$ | value of token $j$: what it gives when it is looked at | a row of $V$, $(T, hs)$ |
# | $S, P$ | scores and weights, query on rows, key on columns | $(T, T)$ |
# | $G$ | the gradient that arrives, of the output's shape | $(T, hs)$ |

# %%
import math

import minigpt
import numpy as np
from minigpt import by_hand, layers, plots
from minigpt.checks.core import numerical_gradient
from minigpt.formulas import formula, refutation
from minigpt.notebook import answer, check, same, show, source
from minigpt.tracing.tiny import tiny_model, tiny_tokenizer

np.set_printoptions(precision=3, suppress=True)

# %% [markdown]
# ## Make it hurt
#
# Without attention, a token could take the mean of all tokens so far. "abb" and "bab" are written
# with two characters: a is $[1, 0]$ and b is $[0, 1]$. Beside its character, each token has its
# place, as one more piece of its vector. The question at the end of each text is: which was the
# first character? *Predict before you run: how many different answers can the mean of the
# characters give?*

# %%
table, place = {"a": [1.0, 0.0], "b": [0.0, 1.0]}, np.eye(3)
query = np.array([0.0, 0.0, 10.0, 0.0, 0.0])  # no character; the first place, ten times
for text in ("abb", "bab"):
    x = np.array([[*table[character], *place[t]] for t, character in enumerate(text)])  # (T, 5)
    fit = np.exp(x @ query)  # (T,): large where a token is what the query looks for
    print(text, "mean", x[:, :2].mean(axis=0), "weighted", fit / fit.sum() @ x[:, :2])

# %% [markdown]
# The mean gives one answer for both: with equal weights it cannot tell them apart. Other fixed
# weights could answer this question, but no different one. The second column has weights that come
# from a comparison of the tokens with what is asked, and gives the first character, $[1, 0]$ and
# then $[0, 1]$. That is attention: **a weighted mean whose weights are computed from the tokens
# themselves.**
#
# ## The formula
#
# Vaswani et al. 2017, equation 1. The mask $M$ hides what comes later: a model that may look at the
# next character learns nothing by predicting it.

# %%
formula("attention.forward")

# %% [markdown]
# ## On paper
#
# The example of the table: three tokens, $hs = 2$, $q = k = [[1, 0], [0, 1], [1, 1]]$. Take the
# last query, $q_2 = [1, 1]$.
#
# * Its products with the three keys: $1, 1, 2$. Divided by $\sqrt 2$: $0.707, 0.707, 1.414$.
# * $e$ to these: $2.028, 2.028, 4.113$; their sum is $8.169$. The weights: $0.248, 0.248, 0.503$.
# * The mean of the values $[1, 2], [3, 4], [5, 6]$ with these weights: $0.248 + 0.745 + 2.517 =
#   3.510$. In the second channel each value is larger by 1, and so is the mean: $4.510$.

# %%
keys = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])  # (T, hs), and the queries too
values = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])  # (T, hs)
scores = keys[2] @ keys.T / math.sqrt(2)  # (T,)
weights = np.exp(scores) / np.exp(scores).sum()  # (T,)
print("weights", weights, "output", weights @ values)

# %% [markdown]
# ## In loops, and in NumPy
#
# The loops: for each query, its scores with the keys it may see, their softmax, the weighted sum of
# the values. The NumPy does all queries of all heads of all texts at once; that is what the two
# axes in front, $B$ and $nh$, are for (notebook 06). For now $T_q = T_k = T$, `causal` is True,
# `window` None and `dropout_p` 0: the mask and the window come below, dropout was in 02.

# %%
source(by_hand.visible_keys, by_hand.attention_weights, by_hand.attention_forward)

# %%
source(layers.attention_forward)

# %% [markdown]
# The kernel has the same arguments and gives the same numbers (the table above has its row), and
# never stores $S$ or $P$. How, is notebook 15.
#
# ## In the running example
#
# "trans" has come through layer norm (07) and through a linear layer that makes queries, keys and
# values (04). Head 0, five characters:

# %%
trace = minigpt.trace(tiny_model(), "trans", tiny_tokenizer(), targets="ransf")
step = trace.find("h.0.attn.heads.attention", "attention_forward")
Q, K, V = (step.inputs[name][0, 0] for name in "qkv")  # head 0, (T, hs) each
show(plots.heatmaps([("Q", Q), ("K", K), ("V", V)], rows=list("trans")))

# %%
show(plots.attention_steps(Q, K, V, list("trans")))

# %% [markdown]
# Read a row: the last, "s", looks at "r" with a weight of 0.71 and at itself with 0.25. The first,
# "t", has no choice: there is only itself. And "r" looks at itself so hard that its weight is
# written 1.00. One score by hand, "t" with itself, the first row of $Q$ and of $K$: $-0.276 \cdot
# 1.379 - 0.960 \cdot 1.111 = -1.447$; divided by $\sqrt 2$: $-1.02$.

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
# Let the numbers in $q$ and $k$ be independent, with mean 0 and variance 1. Then a product $q_c
# k_c$ has mean 0 and the variance $E[q_c^2 k_c^2] = E[q_c^2]\,E[k_c^2] = 1$; and variances of
# independent numbers add, so the sum of $hs$ products has variance $hs$. Its standard deviation is
# $\sqrt{hs}$: 8 for $hs = 64$. A softmax of numbers that differ by 8 has one winner.

# %%
formula("attention.variance")

# %%
show(plots.score_growth((16, 64, 256), np.random.default_rng(0)))

# %% [markdown]
# On the left the scores, in the middle the scores divided by the root, on the right the largest of
# 64 weights, both ways.
#
# *Break it.* Leave the root out, and look at what it does to learning, here with 8 keys. The
# gradient that goes through a softmax is multiplied by $p (1 - p)$ and $p_i p_j$ (notebook 03).
# Where one weight is 1 and the others 0, all of these are 0. "Stuck" is the share of the queries
# that give one key more than 0.999: almost nothing comes through there.

# %%
rng = np.random.default_rng(1)
for hs in (4, 64, 256):
    q, k = rng.normal(size=(2, 200, 8, hs))  # 200 times 8 queries and 8 keys
    for name, scale in (("without", 1.0), ("with", 1 / math.sqrt(hs))):
        p, _ = layers.softmax_forward(q @ k.swapaxes(-1, -2) * scale)  # (200, 8, 8)
        slope, stuck = (p * (1 - p)).mean(), (p.max(-1) > 0.999).mean()
        print(f"hs {hs:3d} {name:8s} mean p(1 - p) {slope:.3f}, stuck {stuck:.2f}")

# %% [markdown]
# With the root, almost nothing changes from 4 to 256. Without it, at 256 the mean of $p (1 - p)$ is
# a tenth, and more than half of the queries are stuck. Dividing by $hs$ itself, as is also seen, is
# the opposite mistake: all scores become nearly equal (at $hs = 64$ their standard deviation is
# $1/8$), and attention is nearly a plain mean.

# %%
refutation("attention.divided_by_d")

# %% [markdown]
# ## The mask
#
# Token $i$ must not see token $j > i$. The mask puts $-\infty$ there *before* the softmax, so that
# the weight is exactly 0 and the rest sums to 1. *Predict:* change the last character's key and
# value. Which rows of the output move?

# %%
K2, V2 = K.copy(), V.copy()
K2[4], V2[4] = 9.0, -9.0


def attend(q, k, v, **options):
    """One head: (T, hs) arrays in and out."""
    return layers.attention_forward(q[None, None], k[None, None], v[None, None], **options)[0][0, 0]


moved = np.abs(attend(Q, K2, V2) - attend(Q, K, V)).max(axis=1)  # (T,)
print("by how much each row moves:", moved)

# %% [markdown]
# The last row alone. Setting weights to zero *after* the softmax hides the future as well, but the
# weights no longer sum to 1, and what is missing still depends on the future:

# %%
refutation("attention.mask_after_softmax")

# %% [markdown]
# When a text is continued, there are fewer queries than keys: the new tokens are the queries, and
# all tokens are keys. The queries are the *last* ones, so the mask is aligned to the lower right
# corner.

# %%
formula("attention.mask")

# %%
refutation("attention.upper_left")

# %% [markdown]
# And a window lets a query see its own key and the $w - 1$ before it; every other layer of GPT-3
# has one.

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
# **1. $O = PV$** is a product. Notebook 04 derived both sides of one: $dV = P^\top G$, $(T, T)^\top
# (T, hs) \to (T, hs)$, and $dP = G V^\top$, $(T, hs)(hs, T) \to (T, T)$. In words: $dV_j$ collects
# $G_i$ from every query $i$ that looked at $j$, as much as it looked.
#
# **2. $P = \mathrm{softmax}(S + M)$**, each row by itself. Notebook 03: $dS_{ij} =
# P_{ij}\big(dP_{ij} - \sum_l dP_{il} P_{il}\big)$, $(T, T)$. Where the mask hides, $P_{ij} = 0$,
# and so is $dS_{ij}$: nothing more is needed for the mask.
#
# **3. $S = s\,Q K^\top$**, in indices $S_{ij} = s \sum_c Q_{ic} K_{jc}$. Query $i$ is in row $i$,
# key $j$ in column $j$:
#
# $$dQ_{ic} = s \sum_j dS_{ij} K_{jc}, \qquad dK_{jc} = s \sum_i dS_{ij} Q_{ic}$$
#
# As matrices, $dQ = s\; dS\; K$ and $dK = s\; dS^\top Q$, both $(T, hs)$. The sum for a key runs
# down a *column* of $dS$: hence the transpose.
#
# **On paper**: the example above. Let $G$ be 0 but for $G_{20} = 1$: only the first channel of
# the last output counts. Then row 2 of $dP$ is the first channel of the values, $1, 3, 5$, and its
# mean by the weights is $3.510$, as before. Row 2 of $dS$ is $0.248\,(1 - 3.510) = -0.623$,
# $0.248\,(3 - 3.510) = -0.127$, $0.503\,(5 - 3.510) = 0.750$. They sum to 0. With the keys $[1, 0],
# [0, 1], [1, 1]$, $dQ_2 = [-0.623 + 0.750, \; -0.127 + 0.750] / \sqrt 2 = [0.090, 0.441]$. And the
# first column of $dV$ is the weights, $0.248, 0.248, 0.503$.

# %%
unit = np.zeros((1, 1, 3, 2))  # (B, nh, T, hs)
unit[..., 2, 0] = 1.0
_, cache = layers.attention_forward(*(np.array(a)[None, None] for a in (keys, keys, values)))
dq, dk, dv = layers.attention_backward(unit, cache)
print("dQ of the last query", dq[0, 0, 2], "first column of dV", dv[0, 0, :, 0])

# %% [markdown]
# In the running example, with the $G$ that really arrives, six lines:

# %%
G = trace.find("h.0.attn.heads.attention", "attention_backward").inputs["dout"][0, 0]  # (T, hs)
dV = P.T @ G  # (T, T) @ (T, hs) -> (T, hs)
dP = G @ V.T  # (T, hs) @ (hs, T) -> (T, T)
dS = P * (dP - (dP * P).sum(axis=1, keepdims=True))  # (T, T)
dQ = dS @ K / math.sqrt(2)  # (T, T) @ (T, hs) -> (T, hs)
dK = dS.T @ Q / math.sqrt(2)  # (T, T) @ (T, hs) -> (T, hs)

# %% [markdown]
# ## The test
#
# The sum $L = \sum G \odot O$ is a loss whose gradient at $O$ is exactly $G$. Move each number of
# $Q$, $K$ and $V$ a little, and see how far $L$ moves.

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
show(plots.heatmaps(matrices, per_row=3, rows=list("trans")))

# %%
for character, numbers in zip("trans", dS, strict=True):
    print(f"row of {character}: largest number in dS {np.abs(numbers).max():.1e}")

# %% [markdown]
# The row of "r" in $dS$ is nearly 0: its weight was 1.00, and a softmax that is sure does not
# learn. The row of "t" is exactly 0: it had no choice to make.
#
# ## What the gradient cannot do
#
# The rows of $dS$ sum to 0: a softmax does not see a constant. So a bias that is added to all keys,
# which adds the same $q_i \cdot b$ to all scores of row $i$, has no gradient, ever: $db = \sum_j
# dK_j = s \sum_i \big(\sum_j dS_{ij}\big) Q_i = 0$.

# %%
formula("attention.backward_sum")

# %%
bias = trace.find("h.0.attn.c_attn", "linear_backward").outputs["dbias"]  # (3C,), of q, k and v
for name, part in zip("qkv", bias.reshape(3, 4), strict=True):
    print(f"bias of {name}: largest gradient {np.abs(part).max():.1e}")

# %% [markdown]
# What is left for the keys is rounding. Adam (notebook 11) divides a gradient by its own size, plus
# $10^{-8}$: in float64 nothing comes of $10^{-17}$, but in float32, where the rounding is of the
# order of $10^{-8}$, noise becomes steps. They do no harm: the loss does not depend on this bias.
#
# ## What goes wrong
#
# A public NumPy transformer has `reshape` where the transpose of $dS$ must stand. For $T_q = T_k$ a
# reshape changes nothing, so that it computes $dS\,Q$: the transpose is simply missing, all shapes
# are right, and nobody sees it. It needs a number. (Of the first key it is 0, because the first
# *row* of $dS$ is 0.)

# %%
refutation("attention.dk_reshaped")

# %% [markdown]
# ## Exercises
#
# **1.** Two keys fit a query equally well, the others not at all (their scores are $-10^4$). What
# is the weight of each of the two? And if a third key fits with a score that is larger by $\ln 2$?

# %%
two, larger = None, None  # the weight of each of the two; the weight of the third

answer("each of the two", two, 0.5, {1.0: "the weights must share a sum of 1"})
answer(
    "the third",
    larger,
    0.5,
    {
        2 / 3: "only one of the two others is counted",
        math.log(2): "you give the score and not the weight",
    },
)

# %% [markdown]
# **2.** Write the backward yourself. `cache` has the fields `q` $(B, nh, T_q, hs)$, `k` and `v`
# $(B, nh, T_k, hs)$; the check also calls it with $T_q = 3$ and $T_k = 5$, so that a forgotten
# transpose shows. It has `softmax` (its `p` are the weights), `dropped` (the weights
# after dropout: without dropout they are `p`) and `dropout`. `layers.softmax_backward(dp,
# cache.softmax)` and `layers.dropout_backward(d, cache.dropout)` are there for you. A swap of the
# last two axes is `.swapaxes(-1, -2)`.


# %%
def attention_backward(dout, cache):
    raise NotImplementedError("05.2: dq, dk, dv")


check(attention_backward=attention_backward)

# %% [markdown]
# When yours passes, compare. This is the one of the library:

# %%
source(layers.attention_backward)

# %% [markdown]
# ## In three lines
#
# * Attention is a weighted mean of values; the weights are a softmax of products of queries and
#   keys, of what is visible.
# * $\sqrt{hs}$ keeps the scores at variance 1, whatever the head size; without it the softmax is
#   sure of itself, and most of its rows stop learning.
# * Backward: $dV = P^\top G$, $dP = G V^\top$, $dS = P \odot (dP - \mathrm{rowsum}(dP \odot P))$,
#   $dQ = s\,dS\,K$, $dK = s\,dS^\top Q$.
#
# **Where it is:** `minigpt/layers/attention.py`, by hand in `minigpt/by_hand.py`, the kernel in
# `kernels/attention.py` and `kernels/flash.py`; `minigpt check attention` tests all of it. Before:
# 04, linear layers. Next: 06, many heads; 15, flash attention.
