"""Wrong sampling. The form is that of wrong_layers.py."""

from minigpt.course.variants import Variant

WRONG_GENERATE = [
    Variant(
        "generate/top_p_too_small",
        "the token that crosses p is dropped",
        (("ranked[before >= top_p] = 0.0", "ranked[(before + ranked > top_p) & (before > 0)] = 0.0"),),
        "sampling.filters",
        "BUGS 60",
    ),
    Variant(
        "generate/temperature_on_probabilities",
        "the temperature divides probabilities, which the scaling back to 1 undoes",
        (("softmax_forward(logits / temperature)", "softmax_forward(logits)"),),
        "sampling.filters",
        "BUGS 63",
    ),
    Variant(
        "generate/temperature_multiplies",
        "logits are multiplied by the temperature",
        (("softmax_forward(logits / temperature)", "softmax_forward(logits * temperature)"),),
        "sampling.filters",
    ),
    Variant(
        "generate/first_position",
        "the next token is drawn from the first position's logits",
        (("last = logits[:, -1]", "last = logits[:, 0]"),),
        "sampling.generate",
        "BUGS 73",
    ),
    Variant(
        "generate/top_k_one_more",
        "k + 1 tokens are kept",
        (("ranked[:, top_k:] = 0.0", "ranked[:, top_k + 1 :] = 0.0"),),
        "sampling.filters",
    ),
    Variant(
        "generate/top_p_of_all",
        "top_p does not know that top_k has cut",
        (
            (
                "        ranked[:, top_k:] = 0.0\n        ranked /= ranked.sum(axis=-1, keepdims=True)",
                "        ranked[:, top_k:] = 0.0",
            ),
        ),
        "sampling.filters",
    ),
    Variant(
        "generate/ranks_for_ids",
        "the probabilities stay in the order of their ranks",
        (("np.put_along_axis(kept, order, ranked, axis=-1)", "kept[:] = ranked"),),
        "sampling.filters",
    ),
    Variant(
        "generate/keeps_the_beginning",
        "of a text longer than the block, the model sees the beginning",
        (("ids[:, -model.config.block_size :]", "ids[:, : model.config.block_size]"),),
        "sampling.generate",
    ),
    Variant(
        "generate/sees_one_token",
        "the model sees the last token alone",
        (("ids[:, -model.config.block_size :]", "ids[:, -1:]"),),
        "sampling.generate",
    ),
    Variant(
        "generate/goes_on_after_the_end",
        "a row that has ended goes on",
        (("new = np.where(ended, eos_token_id, new)", "pass"),),
        "sampling.generate",
    ),
    Variant(
        "generate/unseeded",
        "the seed is not used",
        (("rng = np.random.default_rng(seed)", "rng = np.random.default_rng()"),),
        "sampling.generate",
    ),
    Variant(
        "generate/uniform_draws",
        "every token that is left is as likely as any other",
        (("cumulative = np.cumsum(p, axis=-1)", "cumulative = np.cumsum(p > 0, axis=-1).astype(float)"),),
        "sampling.draws",
    ),
    Variant(
        "generate/with_dropout",
        "dropout is on while writing",
        (
            (
                "model.forward(ids[:, -model.config.block_size :])",
                "model.forward(ids[:, -model.config.block_size :], np.random.default_rng(0))",
            ),
        ),
        "sampling.generate",
    ),
    Variant(
        "generate/top_p_exactly",
        "a set that reaches p exactly gets one token more",
        (("ranked[before >= top_p] = 0.0", "ranked[before > top_p] = 0.0"),),
        "sampling.filters",
    ),
    Variant(
        "generate/top_p_lost",
        "top_p is not passed on",
        (("probabilities(logits, temperature, top_k, top_p), rng)", "probabilities(logits, temperature, top_k, None), rng)"),),
        "sampling.generate",
    ),
    Variant(
        "generate/same_number_each_step",
        "every step draws the same random number",
        (("temperature, top_k, top_p), rng) if", "temperature, top_k, top_p), np.random.default_rng(seed)) if"),),
        "sampling.generate",
    ),
    Variant(
        "generate/nan_is_a_token",
        "NaN logits give a token like any others",
        (("    if not np.isfinite(last).all():", "    if False:"), ("    if not np.isfinite(logits).all():", "    if False:")),
        "sampling.generate",
    ),
    Variant(
        "generate/cold_overflow",
        "logits are divided by the temperature before their maximum is subtracted",
        (("    logits = logits - logits.max(axis=-1, keepdims=True)", "    logits = logits + 800.0"),),
        "sampling.filters",
    ),
]
