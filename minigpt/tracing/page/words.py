"""The words of the page: what a step is called, which part of the model it belongs to, what it
does, what its arrays are.

Left out: formulas, which come from minigpt.formulas; sentences about single numbers, which
page/reads.js makes.
"""

import ast

from minigpt.tracing.recorder import Step

TITLES = {
    "wte": "Token embedding",
    "wpe": "Position embedding",
    "embed": "Token plus position",
    "ln_1": "Layer norm 1",
    "ln_2": "Layer norm 2",
    "ln_f": "Final layer norm",
    "attn.c_attn": "Queries, keys and values",
    "attn.heads": "The heads",
    "heads.attention": "Attention in each head",
    "attention.softmax": "Softmax of the scores",
    "attn.c_proj": "The heads mixed",
    "sum_1": "Residual sum 1",
    "sum_2": "Residual sum 2",
    "mlp": "MLP",
    "mlp.c_fc": "Widen",
    "mlp.gelu": "GELU",
    "mlp.relu": "ReLU",
    "mlp.c_proj": "Narrow",
    "head": "Head: the logits",
    "loss": "Loss",
}

WHAT = {
    "embedding_forward": "Each id looks up its row of a table.",
    "embedding_backward": "Each row of the table collects the gradients of every place that looked "
    "it up; all other rows get 0.",
    "sinusoidal_positions": "Each position is a row of sines and cosines, of wavelengths from "
    "short to long. Nothing is learned.",
    "layer_norm_forward": "Each token's row is moved to mean 0, scaled to variance 1, then "
    "stretched and moved as was learned.",
    "layer_norm_backward": "Moving or stretching a whole row changes nothing in the output, so the "
    "gradient loses those two parts.",
    "linear_forward": "Each token's row times a matrix: every output channel is a weighted sum of "
    "all input channels.",
    "linear_backward": "The gradient goes back through the same matrix, turned; the matrix's own "
    "gradient sums over all tokens.",
    "multi_head_attention_forward": "The heads share out the channels. Each attends by itself; the "
    "results stand side by side.",
    "multi_head_attention_backward": "Each head's gradient goes back to its own queries, keys and "
    "values.",
    "attention_forward": "Each query takes a weighted mean of the values it may see; its fit to "
    "the keys decides the weights.",
    "attention_backward": "Values get gradient by weight; queries and keys get theirs through the "
    "softmax.",
    "softmax_forward": "Each row of scores becomes weights between 0 and 1 that sum to 1. What is "
    "hidden weighs exactly 0.",
    "softmax_backward": "Weights sum to 1, so one grows only if others shrink: a score's gradient "
    "is measured from the row's mean.",
    "mlp_forward": "Each token by itself: widen to four times the channels, bend, narrow again.",
    "mlp_backward": "The gradient passes the narrow matrix, the bend's slope and the wide matrix, "
    "in reverse.",
    "gelu_forward": "Large numbers pass, negative ones are held back, with a soft corner between.",
    "gelu_backward": "Each gradient times the curve's slope at that number.",
    "relu_forward": "Positive numbers pass, negative ones become 0.",
    "relu_backward": "The gradient passes where the number was positive, and nowhere else.",
    "dropout_forward": "Some numbers are struck out by chance; the rest grow, so that the mean "
    "stays.",
    "dropout_backward": "What was struck out passes nothing back; the rest passes back what it "
    "grew by.",
    "cross_entropy_forward": "How surprised the model was by the token that really came next, in "
    "nats, as a mean over the tokens.",
    "cross_entropy_backward": "Probability minus one at the right token, probability elsewhere: "
    "where the walk back begins.",
}
HERE = {
    "attn.c_attn": " The first third of the channels are the queries, the next the keys, the last "
    "the values.",
    "attn.c_proj": " So the heads' results, which stood side by side, are mixed.",
    "head": " Here the matrix is the token embedding's table, turned: every token of the "
    "vocabulary gets a score, its logit.",
}
SUM_FORWARD = "The residual stream goes straight on, and what this part computed is added to it."
SUM_BACKWARD = (
    "A sum hands its gradient to both sides: straight on along the stream, and through "
    "the part. Here the two meet again."
)
EMBED = "What the token is, plus where it stands: the residual stream begins here."

FIELDS = {
    "ids": "which rows are looked up",
    "tokens": "the tokens' rows",
    "positions": "the positions' rows",
    "added": "what this part adds",
    "through": "the gradient that went through the part",
    "xhat": "x at mean 0 and variance 1",
    "rstd": "1 / sqrt(var + eps)",
    "S": "scores, q k / sqrt(hs)",
    "P": "weights, softmax of what is visible",
    "half": "the curve without x: tanh(...), or Phi(x)",
    "p": "probabilities",
    "targets": "the token that came next",
    "counted": "1 where there is a target",
    "keep": "1 where the number stays",
    "lse": "log of the sum of e^score",
    "dout": "the gradient that arrives",
}


def title(step: Step) -> str:
    """What a step is called: "Queries, keys and values"."""
    pieces = step.name.split(".")
    if pieces[-1] == "dropout":
        return "Dropout"
    return TITLES.get(".".join(pieces[-2:])) or TITLES.get(pieces[-1]) or pieces[-1]


def part(step: Step) -> str:
    """The group of the walk that a step stands in: "Embeddings", "Block 0", "Final norm", "Head",
    "Loss".
    """
    first, *rest = step.name.split(".")
    if first == "h":
        return f"Block {rest[0]}"
    return {"ln_f": "Final norm", "head": "Head", "loss": "Loss"}.get(first, "Embeddings")


def what(step: Step) -> str:
    """What a step does, in a sentence."""
    if step.function == "add":
        return (
            EMBED
            if step.name == "embed"
            else SUM_FORWARD
            if step.direction == "forward"
            else SUM_BACKWARD
        )
    here = HERE.get(".".join(step.name.split(".")[-2:]), "") if step.direction == "forward" else ""
    return WHAT.get(step.function, "") + here


def field(step: Step, name: str) -> str:
    """What an array is, in a few words; "" where its name says it."""
    leaf = name.rpartition(".")[2]
    if step.function == "add" and step.direction == "backward" and leaf == "dout":
        return "the gradient that went round, along the stream"
    if leaf in FIELDS:
        return FIELDS[leaf]
    return (
        f"gradient of {leaf[1:]}" if step.direction == "backward" and name in step.outputs else ""
    )


def label(symbol: str) -> str:
    """A token as its chip shows it: the tokenizer's 'a' without quotes; a space and other invisible
    signs made visible.
    """
    try:
        text = ast.literal_eval(symbol) if symbol[:1] in "'\"" else symbol
    except (ValueError, SyntaxError):  # a long one that was cut
        text = symbol
    shown = "".join(
        "␣"
        if sign == " "
        else sign
        if sign.isprintable()
        else sign.encode("unicode_escape").decode()
        for sign in text
    )
    return shown or "(empty)"
