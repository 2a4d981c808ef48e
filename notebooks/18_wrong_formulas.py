# %% [markdown]
# # 18 Formulas that are wrong
#
# *Which ones circulate, and which number refutes them?*
#
# Wrong formulas stand in introductory articles, in code that works, and in the papers themselves.
# Most are slips, and most of what has a slip still trains. This notebook shows those that we met
# while building this package, each with a number that the claim gives and the number that is right.
# The numbers are computed here, not quoted. Then it shows how to find such a number yourself: five
# tests.
#
# | symbol | meaning |
# |---|---|
# | $Q, K, V$ | queries, keys, values of attention, $(T, hs)$: $T$ tokens, head size $hs$ |
# | $S, P$ | scores $Q K^\top / \sqrt{hs}$ and their softmax, $(T, T)$ |
# | $g$ | the gradient that arrives at a layer's output, of its shape |
# | $dX$ | $\partial L / \partial X$, the gradient of the loss by $X$ |
# | $\gamma$, $\hat x$ | gain of layer norm, and its normalized input |
# | $\Phi$ | the normal distribution's cumulative probability: 0 far left, 1 far right |

# %%
import math

import minigpt
import numpy as np
from minigpt import GPT, GPTConfig, layers, plots
from minigpt.checks.core import numerical_gradient
from minigpt.formulas import REFUTED, formula, refutation
from minigpt.formulas.misprints import nucleus, odd_gelu, sine_only
from minigpt.notebook import answer, same, show, source
from minigpt.ops import overlay
from minigpt.optim import adamw_init, adamw_step
from minigpt.tracing.tiny import tiny_model, tiny_tokenizer

np.set_printoptions(precision=3, suppress=True)

# %% [markdown]
# ## Make it hurt
#
# Here are three wrong gradients. The first forgets that $\gamma$ belongs into the means of layer
# norm's backward; the second takes $dS$ for its transpose in $dK = dS^\top Q / \sqrt{hs}$; the
# third knows only the diagonal of softmax's derivative. All three are found in code.


# %%
def gamma_outside(dout, cache):
    _, dweight, dbias = layers.layer_norm_backward(dout, cache)
    along_xhat = (dout * cache.xhat).mean(-1, keepdims=True)
    dx = cache.weight * cache.rstd * (dout - dout.mean(-1, keepdims=True) - cache.xhat * along_xhat)
    return dx, dweight, dbias


def dk_not_transposed(dout, cache):
    dq, _, dv = layers.attention_backward(dout, cache)
    p, _ = layers.softmax_forward(masked_scores(cache.q, cache.k))
    dp = dout @ cache.v.swapaxes(-1, -2)
    ds = p * (dp - (dp * p).sum(-1, keepdims=True))
    return dq, ds @ cache.q / math.sqrt(cache.q.shape[-1]), dv


def diagonal_only(dout, cache):
    return dout * cache.p * (1 - cache.p)


# %%
def masked_scores(q, k):
    """Q K^T / sqrt(hs), -inf where the key is later than the query."""
    T, hs = q.shape[-2:]
    return np.where(np.tril(np.ones((T, T), bool)), q @ k.swapaxes(-1, -2) / math.sqrt(hs), -np.inf)


TEXT = (
    "it was the best of times, it was the worst of times, it was the age of wisdom, it was the "
    "age of foolishness, "
)
characters = sorted(set(TEXT))
data = np.array([characters.index(character) for character in TEXT])
config = GPTConfig(vocab_size=len(characters), block_size=16, n_layer=2, n_head=2, n_embd=16)


def train(ops, steps=300):
    """A small GPT on the line above, 8 pieces of 16 characters a step; the loss of each step."""
    model, rng, losses = (
        GPT(config, seed=0, ops=ops, dtype=np.float64),
        np.random.default_rng(1),
        [],
    )
    state = adamw_init(model.params)
    for step in range(1, steps + 1):
        at = rng.integers(0, len(data) - 17, 8)[:, None] + np.arange(17)  # (8, 17)
        loss, cache = model.loss(data[at[:, :-1]], data[at[:, 1:]])
        adamw_step(model.params, model.backward(cache), state, step, 1e-2)
        losses.append(float(loss))
    return np.array(losses)


# %% [markdown]
# *Predict before you run: which of the three will you notice in the loss?*

# %% tags=["volatile"]
wrong = {
    "right": layers,
    "gamma outside": overlay({"layer_norm_backward": gamma_outside}),
    "dK not transposed": overlay({"attention_backward": dk_not_transposed}),
    "softmax: diagonal only": overlay({"softmax_backward": diagonal_only}),
}
runs = {name: train(ops) for name, ops in wrong.items()}
for name, losses in runs.items():
    print(
        f"{name:24s} loss of steps 1-20: {losses[:20].mean():.2f}, of 281-300: "
        f"{losses[-20:].mean():.2f}"
    )

# %% tags=["volatile"]
figure = plots.new_figure(9, 3)
axes = figure.subplots()
for (name, losses), colour in zip(
    runs.items(), ("#0072b2", "#009e73", "#d55e00", "#cc79a7"), strict=True
):
    smooth = np.convolve(losses, np.ones(20) / 20, "valid")
    axes.plot(np.arange(len(smooth)) + 20, smooth, color=colour, label=name)
axes.set(xlabel="step", ylabel="loss (mean of 20 steps)", ylim=(0, None))
axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
show(figure)

# %% [markdown]
# All of them learn at first. Gamma outside cannot be told from the right one by its loss at all: as
# long as the numbers of $\gamma$ are nearly equal, and they begin at 1, it is nearly right. The
# wrong $dK$ is a little worse, and who would look for the reason? Only the third is plainly ill.
# **That the loss falls shows nothing.** A number must be compared with a number.
#
# ## Five tests
#
# | test | question | catches below |
# |---|---|---|
# | a limit | what happens far out, or where a setting is 0 or 1? | GELU with $x \tanh x$; the short nucleus |
# | a symmetry | what may I move, swap or turn without any effect? | sines alone; positions added too late |
# | a special value | is there an input whose output I know? | FlashAttention-2's inverse; masks |
# | a count | do shapes, units and totals come out? | GPT-3's table; 117 million |
# | finite differences | is the gradient the slope? | $\gamma$ outside; $dK$; softmax's diagonal |
#
# All refutations at a glance, in the three kinds of places where they are found:

# %%
PAPERS = ("Vaswani et al.", "FlashAttention-2's paper", "Radford et al.", "Brown et al.")
groups = {"papers themselves": [], "introductory articles": [], "code": []}
for one in REFUTED.values():
    kind = (
        "papers themselves"
        if one.where.startswith(PAPERS)
        else one.where
        if one.where in groups
        else "code"
    )
    groups[kind].append(one)
for kind, found in groups.items():
    print(f"{'in ' + kind:40s}    claim     right")
    for one in found:
        claim, right = (
            0.0 if abs(n) < 1e-9 else n for n in one.evidence()
        )  # rounding errors are 0
        print(
            f"    {one.id:30s} {claim:10.5g} {right:10.5g}", "" if one.holds() else "NOT AS PRINTED"
        )

# %% [markdown]
# ## In papers themselves
#
# ### FlashAttention-2's inverse
#
# Flash attention goes over the keys piece by piece. It keeps the largest score so far, $m$, and a
# sum $o$ of values, each weighted with $e^{s - m}$. When a larger score comes, $m$ becomes $m'$,
# and all that is in $o$ has to be rescaled. By what?
#
# On paper: a value was weighted with $e^{s - m}$ and should have $e^{s - m'} = e^{s - m}\, e^{m -
# m'}$. So $o$ is multiplied by $e^{m - m'}$, which is at most 1. Algorithm 1 of the paper prints
# the *inverse* of that. Its code does not.

# %%
refutation("flash.inverse_rescale")

# %% [markdown]
# **Test: a special value.** Two keys, the first with score 0 and value 1, the second with score $s$
# and value 0. Attention is then the first's weight, $1 / (1 + e^s)$. And a mean of the numbers 1
# and 0 lies between them, whatever the weights.


# %%
def two_keys(s, inverse):
    shrink = math.exp(0 - max(0.0, s))  # e^(m - m') when the second key comes
    total = 1.0 * shrink + math.exp(s - max(0.0, s))
    return 1.0 * (1 / shrink if inverse else shrink) / total


print("    s    1/(1+e^s)   as corrected   as printed")
for s in (-2.0, 0.0, 1.0, 3.0):
    print(
        f"{s:5.1f} {1 / (1 + math.exp(s)):12.4f} {two_keys(s, False):14.4f} "
        f"{two_keys(s, True):12.4f}"
    )

# %% [markdown]
# As long as the first score stays the largest, nothing is rescaled and both agree: two of these
# four tests pass. With $s = 3$ the "mean" of 1 and 0 is 19.

# %%
formula("flash.forward")

# %% [markdown]
# ### Numbers that do not add up
#
# **Test: a count.** A model of $C$ channels with $nh$ heads of size $hs$ has $C = nh \cdot hs$. Go
# through the table of GPT-3's sizes, as printed (Brown et al. 2020, table 2.1): channels, heads,
# size of a head.

# %%
TABLE = {
    "Small": (768, 12, 64),
    "Medium": (1024, 16, 64),
    "Large": (1536, 16, 96),
    "XL": (2048, 24, 128),
    "2.7B": (2560, 32, 80),
    "6.7B": (4096, 32, 128),
    "13B": (5140, 40, 128),
    "175B": (12288, 96, 128),
}
for name, (C, heads, size) in TABLE.items():
    print(
        f"{name:7s} C = {C:5d}, heads times size = {heads * size:5d}",
        "" if heads * size == C else "  <- they differ",
    )

# %%
refutation("gpt3.xl_heads")

# %%
refutation("gpt3.13b_channels")

# %% [markdown]
# GPT-2's smallest model is called 117M in its paper, and 124M where it is published. Count it: $V$
# tokens and 1024 positions of $C$ channels, 12 blocks of $12 C^2 + 13 C$, and the last layer norm.

# %%
V, C = 50257, 768
print(f"{V * C + 1024 * C + 12 * (12 * C * C + 13 * C) + 2 * C:,}")

# %%
refutation("gpt2.117_million")

# %%
formula("gpt.parameters")

# %% [markdown]
# And a small one in "Attention Is All You Need". The wavelengths of the positions are said to go up
# to $10000 \cdot 2\pi$. The exponent $2i/C$ would have to reach 1 for that, but the last pair is $i
# = C/2 - 1$. An end that is never reached is worth a look in every formula with $i$ and $n$.

# %%
refutation("positions.longest_wavelength")

# %% [markdown]
# ## In introductory articles
#
# ### GELU with $x \tanh x$
#
# **Test: a limit.** Far to the left GELU must go to 0: $x\,\Phi(x)$, and $\Phi$ dies faster than
# any power. In the claim, $x \tanh x \to |x|$ on *both* sides, so $\sigma(1 + |x|) \to 1$, and the
# function goes to $x$. **Test: a symmetry.** $\Phi(x) + \Phi(-x) = 1$ gives $\mathrm{GELU}(x) -
# \mathrm{GELU}(-x) = x$. The claim is odd, so for it that difference is twice the function.

# %%
print("     x     GELU   the claim   claim(x) - claim(-x)")
for x in (-10.0, -3.0, -1.0, 1.0, 3.0):
    gelu = float(layers.gelu_forward(np.array([x]), "none")[0][0])
    print(f"{x:6.1f} {gelu:8.4f} {odd_gelu(x):11.4f} {odd_gelu(x) - odd_gelu(-x):22.4f}")

# %%
x = np.linspace(-4, 4, 401)
figure = plots.new_figure(6, 3)
axes = figure.subplots()
axes.plot(x, layers.gelu_forward(x, "none")[0], color="#0072b2", label="GELU")
axes.plot(
    x,
    [odd_gelu(one) for one in x],
    color="#d55e00",
    linestyle="--",
    label="x sigmoid(1 + x tanh x)",
)
axes.axhline(0, color="#777777", linewidth=0.5)
axes.set(xlabel="x", ylabel="output")
axes.legend()
show(figure)

# %%
refutation("gelu.sigmoid_of_x_tanh")

# %%
formula("gelu.symmetry")

# %% [markdown]
# ### Positions
#
# **Test: a symmetry.** The product of two rows of the sinusoidal table should depend on how far
# they are apart, and not on where
# they stand: $\sin a \sin b + \cos a \cos b = \cos(a - b)$. With sines alone the second term is
# missing.

# %%
both, alone = layers.sinusoidal_positions(100, 512), sine_only(100, 512)
figure = plots.new_figure(7, 2.8)
axes = figure.subplots()
for table, colour, name in (
    (both, "#0072b2", "sines and cosines"),
    (alone, "#d55e00", "sines alone"),
):
    axes.plot((table[:-5] * table[5:]).sum(axis=1), color=colour, label=name)
axes.set(xlabel="position p", ylabel="row p times row p + 5", ylim=(0, None))
axes.legend()
show(figure)

# %%
refutation("positions.sine_only")

# %%
formula("positions.shift")

# %% [markdown]
# Where are the positions added? Attention without a mask does not know the order of its tokens:
# swap two, and their outputs are swapped, and nothing else happens. What is added *after* it comes
# too late to change who looks at whom.

# %%
refutation("positions.after_attention")

# %% [markdown]
# The next fails a special value: position 3 is position 3, however long the text is. Else every
# token typed would move all those before it.

# %%
refutation("positions.normalised")

# %% [markdown]
# ### A layer norm that is none
#
# **Test: a special value**, or rather a property that every output has: mean 0 (with $\beta = 0$
# and equal gains) and variance 1.

# %%
refutation("layer_norm.with_sigmoid")

# %% [markdown]
# ### What GPT is
#
# An autoencoder gives back what it was given, and may look at all of it. **Test: a symmetry**, in
# another form: what may I change without any effect? In a GPT, everything that comes later. (Nor
# does training maximise any "attention score", as one can read: it maximises the probability of
# each next token, GPT-1's equation 1.) Change the last character of "trans" in the tiny model, and
# compare the logits:

# %%
one, other = (
    minigpt.trace(tiny_model(), text, tiny_tokenizer()).logits for text in ("trans", "trane")
)
print("largest change at each position:", np.abs(one - other).max(axis=1))

# %%
refutation("gpt.autoencoder")

# %% [markdown]
# ## In code
#
# ### Gradients
#
# **Test: finite differences.** It finds every one of these, if two things are right: float64 (in
# float32 the difference of two nearly equal losses is mostly rounding), and *random* inputs. Random
# $g$, random $\gamma$, shapes that all differ: what is 1, square or symmetric hides mistakes.
#
# Let us derive the one with the transpose. For one head, $s = 1/\sqrt{hs}$:
#
# **1. Forward.** $S_{ij} = s \sum_d Q_{id} K_{jd}$, $(T_q, T_k)$: query $i$ meets key $j$.
#
# **2. Who holds $K_{jd}$?** Every $S_{ij}$ of the same $j$, so for all queries $i$, with the factor
# $s\, Q_{id}$.
#
# **3. Sum.** $dK_{jd} = s \sum_i dS_{ij} Q_{id}$. The sum runs over the *first* index of $dS$:
# $\;dK = s\, dS^\top Q$, $(T_k, T_q)(T_q, hs) = (T_k, hs)$.
#
# For $T_q = T_k$ the product $dS\, Q$ has the same shape. So does a reshape in place of the
# transpose. No shape can object.

# %%
rng = np.random.default_rng(0)
q, k, v, g = rng.normal(size=(4, 1, 1, 3, 2))  # one sequence, one head, T = 3, hs = 2
_, cache = layers.attention_forward(q, k, v)
slope = numerical_gradient(lambda k: float((g * layers.attention_forward(q, k, v)[0]).sum()), k)
same("dK", layers.attention_backward(g, cache)[1], slope, 1e-8)
print("not transposed, off by", np.abs(dk_not_transposed(g, cache)[1] - slope).max().round(2))

# %%
refutation("attention.dk_reshaped")

# %% [markdown]
# With gamma it is the *random input* that counts. The same test twice, on the tiny model's layer
# norm, first with $\gamma = 1$:

# %%
trace = minigpt.trace(tiny_model(), "trans", tiny_tokenizer(), targets="ransf")
back = trace.find("h.0.ln_1", "layer_norm_backward")
x, g = back.inputs["x"], back.inputs["dout"]  # (1, 5, 4)
for name, gamma in (("gamma = 1", np.ones(4)), ("the model's gamma", back.inputs["weight"])):
    _, cache = layers.layer_norm_forward(x, gamma)
    slope = numerical_gradient(
        lambda x, w=gamma: float((g * layers.layer_norm_forward(x, w)[0]).sum()), x
    )
    off = np.abs(gamma_outside(g, cache)[0] - slope).max()
    print(
        f"{name:18s} caught: {bool(off > 1e-6)}"
        + (f", off by {off:.3f} of {np.abs(slope).max():.3f}" if off > 1e-6 else "")
    )

# %%
refutation("layer_norm.gamma_outside")

# %% [markdown]
# Softmax's derivative is a matrix: raise one score, and all other probabilities fall. Who learns
# "$p(1 - p)$" from the sigmoid keeps its diagonal.

# %%
z = np.array([2.0, 1.0, 0.1])
p, _ = layers.softmax_forward(z)
print(
    "all of it:\n",
    np.diag(p) - np.outer(p, p),
    "\ncolumns sum to",
    (np.diag(p) - np.outer(p, p)).sum(axis=0).round(3) + 0.0,
)
print("the diagonal alone sums to", (p * (1 - p)).round(3))

# %% [markdown]
# That is also a test by **special value**: probabilities sum to 1, so their changes must sum to 0.

# %%
refutation("softmax.diagonal")

# %%
refutation("gelu.slope_without_cube")

# %%
refutation("embedding.fancy_index")

# %% [markdown]
# ### Attention
#
# **Special value:** the first query sees one key. Its weight is 1, whatever the scores.

# %%
refutation("attention.mask_after_softmax")

# %% [markdown]
# **Special value:** one new query and four keys, as in generation with a cache. The newest token
# sees all of them.

# %%
print("aligned to the upper left: ", np.tril(np.ones((1, 4), int)))
print("aligned to the lower right:", np.tril(np.ones((1, 4), int), 4 - 1))

# %%
refutation("attention.upper_left")

# %% [markdown]
# **A count**, of units: if the components of $q$ and $k$ have variance 1, then $q \cdot k = \sum_d
# q_d k_d$ has variance $hs$. Dividing by $c$ divides the variance by $c^2$. So $c = \sqrt{hs}$
# makes it 1; $c = hs$ makes it $1/hs$, and the weights of a wide head would be all but equal.

# %%
refutation("attention.divided_by_d")

# %% [markdown]
# ### The rest
#
# **Special value:** $[1, 2, 3, 4]$ has the variance 1.25, and after layer norm it must be 1.

# %%
refutation("layer_norm.unbiased")

# %% [markdown]
# **Symmetry:** what is linear is odd. An MLP with an activation is not.

# %%
refutation("mlp.two_linear_layers")

# %% [markdown]
# **A limit:** let the $p$ of top-p sampling go to 0. The most likely token must stay, or there is
# nothing to draw from. By "cumulative probability at most $p$" none stays. The right set is the
# smallest whose sum *reaches* $p$.

# %%
tokens, p = np.array([0.4, 0.3, 0.2, 0.1]), 0.3
cumulative = np.cumsum(tokens)
print("cumulative:", cumulative, " p =", p)
print(
    "at most p: ",
    int((cumulative <= p).sum()),
    "tokens kept;  reaching p:",
    int((cumulative - tokens < p).sum()),
)
print("at p = 0.6:", int(nucleus(False)), "and", int(nucleus(True)))

# %%
refutation("sampling.nucleus_short")

# %%
formula("sampling.top_p")

# %% [markdown]
# **A limit:** let the gradient of the loss go to 0. Weight decay should still shrink a weight by
# the share $lr \cdot wd$ a step, of a large weight more than of a small one. Put into Adam's
# gradient, it is divided by its own size like everything there, and every weight moves by the same
# $lr$ (in the first step; later by about that):

# %%
lr, wd = 0.1, 0.1
for theta in (1.0, 0.001):
    g = wd * theta  # the decay as the only gradient
    print(
        f"theta {theta:5}: decay apart moves it by {lr * wd * theta:.5f}, decay in the gradient by "
        f"{lr * g / (abs(g) + 1e-8):.5f}"
    )

# %%
refutation("adamw.l2_in_the_gradient")

# %% [markdown]
# ## Two claims without a number
#
# Some claims are not formulas. They are refuted by looking.
#
# **"A GPT in PyTorch is `nn.Transformer(channels, heads, layers)`."** That class is the
# encoder-decoder of Vaswani et al. 2017. Its third argument is `num_encoder_layers`;
# `num_decoder_layers` stays 6. It wants two inputs, `src` and `tgt`; it has no embeddings and no
# head; it masks nothing unless given a mask; by default it is post-LN, with ReLU and a width of
# 2048 (PyTorch's documentation, `torch.nn.Transformer`). There is even a number for this one, a
# count, again from the shapes:

# %%
C, F = 768, 2048
encoder = 4 * C * C + 4 * C + (2 * C * F + F + C) + 2 * 2 * C  # attention, MLP, two layer norms
decoder = (
    2 * (4 * C * C + 4 * C) + (2 * C * F + F + C) + 3 * 2 * C
)  # attention twice: to itself, and to the encoder
print(
    f"nn.Transformer(768, 12, 12): {12 * encoder + 6 * decoder + 2 * 2 * C:,} parameters, none of "
    "them an embedding"
)
print(f"the 12 blocks of GPT-2:       {12 * (12 * C * C + 13 * C):,}")

# %% [markdown]
# **"Load it with `GPT2ForConditionalGeneration`."** Hugging Face's transformers has no such class.
# Those with that ending are encoder-decoders, such as `T5ForConditionalGeneration` and
# `BartForConditionalGeneration`: they generate *on the condition* of an encoded text. GPT-2 with a
# head for generation is `GPT2LMHeadModel`. The made-up name stands in several tutorials, and none
# of them can have been run.
#
# ## The rule of this package
#
# A refutation here is an object with two functions, the claim and the right one, and the two
# numbers as they were printed. A test computes both again and fails if they move. Here is what it
# is made of:

# %%
from minigpt.formulas import Refuted

source(Refuted, nucleus)

# %% [markdown]
# ## Exercises: find what is wrong
#
# **1.** "The perplexity is $2^L$, with $L$ the mean of $-\ln p$." Use a special value: a uniform
# guess, $p = 1/V$ for $V = 1024$ tokens. Its perplexity must be $V$, the number of tokens
# that it hesitates between. What does the claim give?

# %%
claimed = None  # a number

answer(
    "the claim's perplexity",
    claimed,
    2 ** math.log(1024),
    {
        1024.0: "that is e^L, or 2^L with L in bits, which are right; the claim is 2^L with L in "
        "nats"
    },
)

# %% [markdown]
# **2.** "The backward of layer norm is $dx = r\,(h - \bar h)$, with $h = g \odot \gamma$ and $r =
# 1/\sigma$." Use a symmetry: layer norm does not see a token stretched about its mean, so $dx$ has
# no part along $x - \mu$, and $\sum_i dx_i (x_i - \mu)$ must be 0 (for $\epsilon = 0$). What is
# that sum by the claim, for $x = [1, 2, 3, 4]$, $\gamma = 1$, $g = [1, 0, 0, 0]$?

# %%
along = None  # a number

answer(
    "sum of dx (x - mu) by the claim",
    along,
    -1.5 / math.sqrt(1.25),
    {
        0.0: "the right formula is used, with its third term",
        -1.5: "r is forgotten",
        -1.5 / 1.25: "r is one over the variance, not over its root",
    },
)

# %% [markdown]
# ## In three lines
#
# * A wrong gradient can still lower the loss; a falling loss proves nothing, and neither does a
#   printed formula.
# * Five tests: a limit, a symmetry, a special value, a count, finite differences; each takes
#   minutes.
# * Test with random numbers and unequal shapes: 1, square and symmetric inputs are where mistakes
#   hide.
#
# **Where it is:** `minigpt/formulas/refuted.py` has them with their sources, `misprints.py` beside
# it what they give; `minigpt formulas --refuted` prints all; `tests/test_formulas.py` computes each
# again; `minigpt/course/` has more wrong code, each variant killed by a check. Before: 17, from
# GPT-1 to GPT-4. This is the last notebook.
