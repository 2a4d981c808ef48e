"""Wrong models and parameters. The form is that of wrong_layers.py."""

from minigpt.course.variants import Variant

TIED = 'grads["wte.weight"] += dhead.T'
RESIDUAL = "x = self.ops.add(x, attn)  # the residual stream itself, not the normed one"
MODEL = [
    Variant(
        "model/tied_overwritten",
        "the head's gradient replaces the embedding's, where the sum is meant",
        ((TIED, 'grads["wte.weight"] = dhead.T'),),
        "model.pytorch_pre_learned",
        "BUGS 37",
    ),
    Variant(
        "model/tied_forgotten",
        "the tied head's gradient is left out",
        ((TIED, "pass"),),
        "model.gradient_pre_learned",
        "BUGS 37",
    ),
    Variant(
        "model/residual_from_norm",
        "the residual path starts at the normed input",
        ((RESIDUAL, "x = normed + attn"),),
        "model.identity",
        "BUGS 39",
    ),
    Variant(
        "model/output_projection",
        "the heads are not projected back: c_proj is forgotten",
        (("out, dropout_cache = self._dropout_forward(projected, rng)", "out, dropout_cache = self._dropout_forward(heads, rng)"),),
        "model.identity",
        "BUGS 14",
    ),
    Variant(
        "model/residual_gradient_lost",
        "the gradient goes through the MLP and not around it",
        (
            (
                'dx = self.ops.add(dx, self._layer_norm_backward(dnormed, cache.ln_2, f"h.{i}.ln_2", grads))',
                'dx = self._layer_norm_backward(dnormed, cache.ln_2, f"h.{i}.ln_2", grads)',
            ),
        ),
        "model.identity",
    ),
    Variant(
        "model/last_norm_forgotten",
        "there is no layer norm before the head",
        (
            (
                '            x, ln_f_cache = self._layer_norm_forward(x, "ln_f")',
                '            _, ln_f_cache = self._layer_norm_forward(x, "ln_f")',
            ),
        ),
        "model.pytorch_pre_learned",
    ),
    Variant(
        "model/positions_forgotten",
        "positions are not added to the tokens",
        (("self.ops.add(tokens, positions)", "self.ops.add(tokens, 0.0 * positions)"),),
        "model.pytorch_pre_learned",
        "FORMULAS 4.1",
    ),
    Variant(
        "model/positions_from_one",
        "the first token stands at position 1",
        (("self.ops.embedding_forward(np.arange(T), self", "self.ops.embedding_forward(np.arange(1, T + 1), self"),),
        "model.pytorch_pre_learned",
    ),
    Variant(
        "model/position_gradient_mean",
        "wpe's gradient is the mean over the sequences of a batch",
        (("dsum.sum(axis=0), cache.positions", "dsum.mean(axis=0), cache.positions"),),
        "model.gradient_pre_learned",
    ),
    Variant(
        "model/not_causal",
        "tokens see the future: the loss falls wonderfully, and the model can write nothing",
        (("self.config.n_head, True, self", "self.config.n_head, False, self"),),
        "model.causality_pre_learned",
    ),
    Variant(
        "model/window_of_another_layer",
        "each layer has the window of the one before",
        (("self.config.window(i)", "self.config.window(i - 1)"),),
        "model.pytorch_windows",
    ),
    Variant(
        "model/dropout_in_evaluation",
        "dropout is on in evaluation as well",
        (
            (
                "return self.ops.dropout_forward(x, 0.0 if rng is None else self.config.dropout, rng)",
                "return self.ops.dropout_forward(x, self.config.dropout, rng or np.random.default_rng())",
            ),
        ),
        "model.dropout",
        "BUGS 58",
    ),
    Variant(
        "model/dropout_never",
        "dropout is never on",
        (
            ("x, 0.0 if rng is None else self.config.dropout, rng)", "x, 0.0, rng)"),
            ("dropout_p = 0.0 if rng is None else self.config.dropout", "dropout_p = 0.0"),
        ),
        "model.dropout",
    ),
    Variant(
        "model/layers_backward_in_order",
        "the backward visits the blocks from first to last",
        (("for i in reversed(range(self.config.n_layer)):", "for i in range(self.config.n_layer):"),),
        "model.gradient_pre_learned",
    ),
    Variant(
        "model/eps_not_passed",
        "layer norm's eps is not that of the config",
        (("x, weight, bias, self.config.layer_norm_epsilon)", "x, weight, bias)"),),
        "model.pytorch_windows",
    ),
    Variant(
        "model/first_block_everywhere",
        "every block runs the first one's c_attn",
        (
            (
                'qkv, c_attn_cache = self._linear_forward(x, f"h.{i}.attn.c_attn")',
                'qkv, c_attn_cache = self._linear_forward(x, "h.0.attn.c_attn")',
            ),
        ),
        "model.gradient_pre_learned",
    ),
    Variant(
        "model/post_norm_before_sum",
        "post-LN norms the sublayer's output, and adds x after that",
        (
            ('self._layer_norm_forward(self.ops.add(x, attn), f"h.{i}.ln_1")', 'self._layer_norm_forward(attn, f"h.{i}.ln_1")'),
            (
                "            mlp, mlp_cache = self._mlp_forward(x, i, rng)\n            x, ln_2",
                "            mlp, mlp_cache = self._mlp_forward(x, i, rng)\n            x = x + attn\n            x, ln_2",
            ),
        ),
        "model.block_post",
    ),
    Variant(
        "model/post_residual_gradient_lost",
        "in post-LN, the gradient does not go around the attention",
        (
            (
                "return self.ops.add(dsum, self._attention_backward(dsum, cache.attn, i, grads))",
                "return self._attention_backward(dsum, cache.attn, i, grads)",
            ),
        ),
        "model.gradient_post_learned",
    ),
    Variant(
        "model/float64_positions",
        "sinusoidal positions stay float64, and promote everything after them",
        (
            (".astype(tokens.dtype)", ""),
            (
                'self.ops.embedding_forward(np.arange(T), self.params["wpe.weight"])  # (T, C)',
                'self.ops.embedding_forward(np.arange(T), self.params["wpe.weight"].astype(np.float64))',
            ),
        ),
        "model.pure",
    ),
    Variant(
        "model/weak_dropout",
        "dropout strikes out half of what it should",
        (("x, 0.0 if rng is None else self.config.dropout, rng)", "x, 0.0 if rng is None else 0.5 * self.config.dropout, rng)"),),
        "model.pytorch_dropout",
    ),
    Variant(
        "model/no_embedding_dropout",
        "there is no dropout after the embedding",
        (
            (
                "self._dropout_forward(self.ops.add(tokens, positions), rng)",
                "self._dropout_forward(self.ops.add(tokens, positions), None)",
            ),
        ),
        "model.pytorch_dropout",
    ),
    Variant(
        "model/no_mlp_dropout",
        "there is no dropout after the MLP",
        (("self._dropout_forward(mlp, rng)", "self._dropout_forward(mlp, None)"),),
        "model.pytorch_dropout",
    ),
    Variant(
        "model/no_attention_dropout",
        "there is no dropout on the attention weights",
        (("dropout_p = 0.0 if rng is None else self.config.dropout", "dropout_p = 0.0"),),
        "model.pytorch_dropout",
    ),
    Variant(
        "model/same_mask_everywhere",
        "every dropout draws the same mask",
        (
            (
                "return self.ops.dropout_forward(x, 0.0 if rng is None else self.config.dropout, rng)",
                "return self.ops.dropout_forward(x, 0.0 if rng is None else self.config.dropout, None if rng is None else np.random.default_rng(5))",
            ),
        ),
        "model.pytorch_dropout",
    ),
    Variant(
        "model/any_length",
        "texts longer than the block are let through",
        (("if not 1 <= T <= self.config.block_size:", "if T < 1:"),),
        "model.bad_input",
    ),
    Variant(
        "model/one_token_less",
        "a text of exactly block_size tokens is refused",
        (("1 <= T <= self.config.block_size", "1 <= T < self.config.block_size"),),
        "model.bad_input",
    ),
    Variant(
        "model/seed_ignored",
        "every model starts from seed 0",
        (("initial_parameters(config, seed, dtype)", "initial_parameters(config, 0, dtype)"),),
        "model.start",
    ),
    Variant(
        "model/dtype_ignored",
        "every model is float32",
        (("initial_parameters(config, seed, dtype)", "initial_parameters(config, seed)"),),
        "model.start",
    ),
    Variant(
        "model/eps_with_bias_only",
        "without biases, layer norm's eps is 1e-5 whatever the config says",
        (
            (
                "x, weight, bias, self.config.layer_norm_epsilon)",
                "x, weight, bias, self.config.layer_norm_epsilon if bias is not None else 1e-5)",
            ),
        ),
        "model.pytorch_pre_sinusoidal",
    ),
    Variant(
        "model/parameters_unchecked",
        "parameters of another model are let through",
        (("        expect_parameters(self.params, config)\n", ""),),
        "model.bad_input",
    ),
]

PARAMETERS = [
    Variant(
        "parameters/residual_scale",
        "residual projections are scaled by 1/sqrt(n_layer): there are two in each layer",
        (("math.sqrt(2 * config.n_layer)", "math.sqrt(config.n_layer)"),),
        "model.start",
        "BUGS 72",
    ),
    Variant(
        "parameters/no_residual_scale",
        "residual projections are not scaled",
        (("0.02 / math.sqrt(2 * config.n_layer)", "0.02"),),
        "model.start",
    ),
    Variant(
        "parameters/large",
        "weights start at N(0, 0.2): the first loss is far above ln V",
        (("else 0.02\n", "else 0.2\n"),),
        "model.start",
    ),
    Variant(
        "parameters/equal_layers",
        "each matrix is drawn from a generator of the same seed: all layers start equal",
        (("rng.standard_normal(shape)", "np.random.default_rng(seed).standard_normal(shape)"),),
        "model.start",
    ),
    Variant(
        "parameters/uniform",
        "weights are uniform, not normal",
        (("std * rng.standard_normal(shape)", "std * 3**0.5 * rng.uniform(-1.0, 1.0, shape)"),),
        "model.start",
    ),
    Variant(
        "parameters/seed_ignored",
        "the seed is not used",
        (("np.random.default_rng(seed)", "np.random.default_rng(0)"),),
        "model.start",
    ),
    Variant(
        "parameters/biases_stay",
        "bias=False leaves biases in the layer norms",
        (('if config.bias or not name.endswith(".bias")', 'if config.bias or not name.endswith("c_fc.bias")'),),
        "model.start",
    ),
]

WRONG_MODEL = MODEL + PARAMETERS
