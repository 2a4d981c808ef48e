"""Wrong models, optimizers, data, training and sampling. The form is that of wrong_layers.py."""

from minigpt.course.variants import Variant

TIED = 'grads["wte.weight"] += dhead.T'
RESIDUAL = "x = x + attn  # the residual stream itself, not the normed one"
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
                "dx = dx + self._layer_norm_backward(dnormed, cache.ln_2",
                "dx = self._layer_norm_backward(dnormed, cache.ln_2",
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
        (("self._dropout_forward(tokens + positions, rng)", "self._dropout_forward(tokens + 0.0 * positions, rng)"),),
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
            ('self._layer_norm_forward(x + attn, f"h.{i}.ln_1")', 'self._layer_norm_forward(attn, f"h.{i}.ln_1")'),
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
        (("return dsum + self._attention_backward(", "return self._attention_backward("),),
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
        (("self._dropout_forward(tokens + positions, rng)", "self._dropout_forward(tokens + positions, None)"),),
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

STEP = "theta -= (lr / (1.0 - beta1**t)) * m / (root_vhat + eps)"
OPTIM = [
    Variant(
        "optim/l2_in_gradient",
        "decay is added to the gradient (Adam with L2), and so divided by the root of v",
        (
            ("        m += (1.0", "        g = g + weight_decay * theta\n        m += (1.0"),
            ("theta *= 1.0 - lr * weight_decay", "pass"),
        ),
        "adamw.golden",
        "BUGS 46",
    ),
    Variant(
        "optim/no_bias_correction",
        "m and v are used as they are: the first steps are far too small or large",
        ((" * (1.0 / math.sqrt(1.0 - beta2**t))", ""), (STEP, "theta -= lr * m / (root_vhat + eps)")),
        "adamw.golden",
        "BUGS 48",
    ),
    Variant(
        "optim/efficient_order",
        "eps is added before v is corrected (the order of GPT-1's code)",
        ((STEP, "theta -= lr * math.sqrt(1.0 - beta2**t) / (1.0 - beta1**t) * m / (np.sqrt(v) + eps)"),),
        "adamw.golden",
        "BUGS 50",
    ),
    Variant(
        "optim/decay_without_lr",
        "the decay is not multiplied by the learning rate",
        (("1.0 - lr * weight_decay", "1.0 - weight_decay"),),
        "adamw.golden",
        "BUGS 51",
    ),
    Variant(
        "optim/decay_everything",
        "biases and gains are decayed as well",
        (("return theta.ndim >= 2", "return True"),),
        "adamw.golden",
    ),
    Variant(
        "optim/eps_in_root",
        "eps is inside the root",
        ((STEP, "theta -= (lr / (1.0 - beta1**t)) * m / np.sqrt(root_vhat * root_vhat + eps)"),),
        "adamw.golden",
    ),
    Variant(
        "optim/betas_swapped",
        "the two betas are swapped in the running means",
        (("m += (1.0 - beta1)", "m += (1.0 - beta2)"), ("v += (1.0 - beta2)", "v += (1.0 - beta1)")),
        "adamw.golden",
    ),
    Variant(
        "optim/decay_after_step",
        "the decay comes after the step, and shrinks it as well",
        (
            (
                "        if weight_decay and is_decayed(theta):\n            theta *= 1.0 - lr * weight_decay\n        " + STEP,
                "        "
                + STEP
                + "\n        if weight_decay and is_decayed(theta):\n            theta *= 1.0 - lr * weight_decay",
            ),
        ),
        "adamw.pytorch",
    ),
    Variant(
        "optim/absolute_value",
        "v holds the gradient's size, not its square",
        (("(g * g - v)", "(np.abs(g) - v)"),),
        "adamw.golden",
    ),
    Variant(
        "optim/clip_each_tensor",
        "every tensor is clipped by its own norm, which turns the gradient's direction",
        (
            (
                "    return (grads if scale == 1.0 else {name: g * scale for name, g in grads.items()}), norm",
                "    return {name: g * min(1.0, max_norm / grad_norm({name: g})) for name, g in grads.items()}, norm",
            ),
        ),
        "clip.golden",
        "BUGS 53",
    ),
    Variant(
        "optim/clip_always",
        "small gradients are scaled up to the norm",
        (("1.0 if max_norm == 0 or norm <= max_norm else", "1.0 if max_norm == 0 else"),),
        "clip.golden",
    ),
    Variant(
        "optim/clip_in_place",
        "clipping writes into the gradients it was given",
        (
            (
                "    return (grads if scale == 1.0 else {name: g * scale for name, g in grads.items()}), norm",
                "    for g in grads.values():\n        g *= max_norm / norm\n    return grads, norm",
            ),
        ),
        "clip.golden",
    ),
    Variant(
        "optim/norm_is_largest",
        "the norm is that of the largest tensor",
        (("math.sqrt(sum(float(", "math.sqrt(max(float("),),
        "clip.golden",
    ),
    Variant(
        "optim/first_step_lost",
        "the learning rate of step 0 is 0",
        (("max_lr * (step + 1) / (warmup_iters + 1)", "max_lr * step / warmup_iters"),),
        "schedule.golden",
        "BUGS 54",
    ),
    Variant(
        "optim/cosine_from_zero",
        "the cosine counts the warm-up as well",
        (("(step - warmup_iters) / (lr_decay_iters - warmup_iters)", "step / lr_decay_iters"),),
        "schedule.golden",
    ),
    Variant(
        "optim/cosine_to_zero",
        "the cosine ends at 0 and not at min_lr",
        (
            (
                "return min_lr + 0.5 * (1.0 + math.cos(math.pi * progress)) * (max_lr - min_lr)",
                "return 0.5 * (1.0 + math.cos(math.pi * progress)) * max_lr",
            ),
        ),
        "schedule.golden",
    ),
    Variant(
        "optim/norm_in_float32",
        "the norm's squares are summed in float32, and overflow",
        (("np.square(g, dtype=np.float64)", "np.square(g)"),),
        "clip.golden",
    ),
    Variant(
        "optim/missing_gradient",
        "a parameter without a gradient fails late, and half the parameters have moved",
        (
            ("    if missing:", "    if False:"),
            ("g, m, v = grads[name], state", "g, m, v = grads.get(name, np.zeros_like(theta)), state"),
        ),
        "adamw.golden",
    ),
    Variant(
        "optim/broadcast_gradient",
        "a gradient of another shape is spread over the parameter",
        (("        if g.shape != theta.shape:", "        if False:"),),
        "adamw.golden",
    ),
    Variant(
        "optim/float64_state",
        "m and v are float64 where the parameters are float32",
        (
            (
                "{name: np.zeros_like(array) for name, array in params.items()},\n        {name: np",
                "{name: np.zeros(array.shape) for name, array in params.items()},\n        {name: np",
            ),
        ),
        "adamw.pytorch",
    ),
    Variant(
        "optim/other_defaults", "beta2's default is 0.99", (("beta2: float = 0.999,", "beta2: float = 0.99,"),), "adamw.golden"
    ),
]

DATA = [
    Variant(
        "data/not_shifted",
        "the targets are the inputs: the model learns to copy",
        (("        return tokens[at], tokens[at + 1]", "        return tokens[at], tokens[at]"),),
        "data.text",
        "BUGS 64",
    ),
    Variant(
        "data/shifted_twice",
        "the target is the token after the next",
        (("        return tokens[at], tokens[at + 1]", "        return tokens[at], tokens[np.minimum(at + 2, len(tokens) - 1)]"),),
        "data.text",
    ),
    Variant(
        "data/validation_from_train",
        "validation batches are drawn from the training part",
        (
            (
                "        tokens = self.tokens[split]\n        starts = rng",
                '        tokens = self.tokens["train"]\n        starts = rng',
            ),
        ),
        "data.text",
        "BUGS, not in the bank",
    ),
    Variant(
        "data/overlapping_splits",
        "the validation part begins inside the training part",
        (("text[:cut], text[cut:]", "text[:cut], text[cut - 100 :]"),),
        "data.text",
    ),
    Variant(
        "data/last_place_never_drawn",
        "the last block of a split is never drawn",
        (("rng.integers(0, len(tokens) - block_size, batch_size)", "rng.integers(0, len(tokens) - block_size - 1, batch_size)"),),
        "data.text",
    ),
    Variant(
        "data/tail_dropped",
        "the whole split's last, shorter block is left out",
        (("        if len(rest) > 1:", "        if False:"),),
        "data.text",
    ),
    Variant(
        "tasks/leak",
        "validation's prompts occur in training",
        (('is_held_out(drawn) == (split == "val")', "is_held_out(drawn) == is_held_out(drawn)"),),
        "data.tasks",
    ),
    Variant(
        "tasks/prompt_counts",
        "the random prompt counts in the loss",
        (("targets[:, : self.prompt_length - 1] = -1", "targets[:, :1] = -1"),),
        "data.tasks",
    ),
    Variant(
        "tasks/first_answer_ignored",
        "the answer's first token does not count",
        (("targets[:, : self.prompt_length - 1] = -1", "targets[:, : self.prompt_length] = -1"),),
        "data.tasks",
    ),
    Variant(
        "tasks/carry_lost",
        "the addition's carries are lost",
        (("np.divmod(a[:, i] + b[:, i] + carry, 10)", "np.divmod(a[:, i] + b[:, i], 10)"),),
        "data.tasks",
    ),
    Variant(
        "data/whole_is_validation",
        "the whole of the training part is measured on the validation part",
        (
            (
                "        tokens = self.tokens[split]\n        if len(tokens) < 2:",
                '        tokens = self.tokens["val"]\n        if len(tokens) < 2:',
            ),
        ),
        "data.text",
    ),
    Variant(
        "tasks/five_digits",
        "only the digits 0 to 4 are drawn",
        (("rng.integers(0, 10, (n, self.length))", "rng.integers(0, 5, (n, self.length))"),),
        "data.tasks",
    ),
    Variant(
        "tasks/whole_of_training",
        "the evaluation measures prompts of the training split",
        (("yield self.batch(split, rng, min", "yield self.batch('train', rng, min"),),
        "data.tasks",
    ),
    Variant(
        "tasks/half_held_out",
        "half of all prompts are kept from training",
        (("% 1009 % 10 == 0", "% 1009 % 2 == 0"),),
        "data.tasks",
    ),
    Variant(
        "tasks/last_batch_full",
        "the whole split has more examples than it says",
        (("min(batch_size, 1000 - first)", "batch_size"),),
        "data.tasks",
    ),
]

TRAIN = [
    Variant(
        "train/accumulation_summed",
        "accumulated gradients are summed, not averaged",
        (("run.model.backward(cache, 1.0 / s.grad_accumulation)", "run.model.backward(cache, 1.0)"),),
        "train.accumulation",
        "BUGS 75",
    ),
    Variant(
        "train/accumulation_overwritten",
        "each batch's gradient replaces the one before",
        (("total = grads if total is None else {name: total[name] + g for name, g in grads.items()}", "total = grads"),),
        "train.accumulation",
    ),
    Variant(
        "train/same_batch_again",
        "every batch of an accumulated step is the same",
        (("n = run.step * s.grad_accumulation + micro", "n = run.step"),),
        "train.steps",
    ),
    Variant(
        "train/seed_without_step",
        "every step draws the same batch",
        (('generator(s.seed, "batch", n)', 'generator(s.seed, "batch")'),),
        "train.steps",
    ),
    Variant(
        "train/unseeded_dropout",
        "dropout's masks are not fixed by the seed: a resumed run is another run",
        (('generator(s.seed, "dropout", n)', "np.random.default_rng()"),),
        "train.steps",
    ),
    Variant(
        "train/t_is_always_one",
        "AdamW is told at every step that it is the first",
        (("run.optimizer, run.step + 1, lr", "run.optimizer, 1, lr"),),
        "train.written_out",
    ),
    Variant(
        "train/unclipped",
        "the factor of the clipping is computed, and not used",
        (('"grad_scale": scale}', '"grad_scale": 1.0}'),),
        "train.steps",
    ),
    Variant(
        "train/perplexity_in_bits",
        "perplexity is 2^loss, where the loss is in nats",
        (("return math.exp(loss)", "return 2.0**loss"),),
        "train.losses",
        "BUGS 76",
    ),
    Variant(
        "train/mean_of_means",
        "a short last batch weighs as much as a full one",
        (("model.loss(ids, targets)[0]) * n", "model.loss(ids, targets)[0])"), ("        counted += n", "        counted += 1")),
        "train.losses",
    ),
    Variant(
        "train/evaluation_with_dropout",
        "the evaluation has dropout on",
        (("total += float(model.loss(ids, targets)[0])", "total += float(model.loss(ids, targets, np.random.default_rng(0))[0])"),),
        "train.losses",
    ),
    Variant(
        "train/no_decay",
        "the weight decay is not passed on",
        (('"weight_decay": s.weight_decay', '"weight_decay": 0.0'),),
        "train.written_out",
    ),
    Variant(
        "train/cosine_to_zero",
        "the schedule's min_lr is not passed on",
        (("s.learning_rate, s.min_lr, s.warmup_iters", "s.learning_rate, 0.0, s.warmup_iters"),),
        "train.written_out",
    ),
    Variant(
        "train/cosine_to_the_end",
        "the cosine ends at max_iters, not at lr_decay_iters",
        (("s.warmup_iters, s.lr_decay_iters)", "s.warmup_iters, s.max_iters)"),),
        "train.written_out",
    ),
    Variant(
        "train/no_dropout",
        "there is no dropout in training",
        (('run.model.loss(ids, targets, generator(s.seed, "dropout", n))', "run.model.loss(ids, targets)"),),
        "train.written_out",
    ),
    Variant(
        "train/same_mask_each_step",
        "every step draws the same dropout masks",
        (('generator(s.seed, "dropout", n)', 'generator(s.seed, "dropout")'),),
        "train.written_out",
    ),
    Variant(
        "optim/unscaled",
        "the gradients are taken as they are, whatever grad_scale says",
        (("if grad_scale != 1.0:", "if grad_scale == 0.0:"),),
        "adamw.golden",
    ),
    Variant(
        "muon/no_look_ahead",
        "the momentum itself is orthogonalized, without Nesterov's look ahead",
        (("orthogonalize(g + momentum * m,", "orthogonalize(m,"),),
        "muon.written_out",
    ),
    Variant(
        "muon/stretched_the_other_way",
        "the step grows with in / out where the weight is (in, out): PyTorch's order of the axes",
        (("theta.shape[1] / theta.shape[0]", "theta.shape[0] / theta.shape[1]"),),
        "muon.written_out",
    ),
    Variant(
        "muon/embeddings_too",
        "the token table takes Muon's step as well",
        (('name.startswith("h.") and theta.ndim == 2', "theta.ndim == 2"),),
        "muon.written_out",
    ),
    Variant(
        "muon/largest_norm",
        "the matrix is divided by its largest number, and its singular values are not below 1",
        (("norm = math.sqrt(float(np.square(u, dtype=np.float64).sum()))", "norm = float(np.abs(u).max())"),),
        "muon.singular_values",
    ),
    Variant(
        "muon/cubic",
        "the polynomial ends after its third power",
        (("product(B * gram + C * product(gram, gram), x)", "product(B * gram, x)"),),
        "muon.singular_values",
    ),
    Variant(
        "muon/tall_stays_turned",
        "a tall matrix comes back transposed into its own shape",
        (("return x.T if tall else x", "return x.reshape(u.shape)"),),
        "muon.singular_values",
    ),
    Variant(
        "train/clipped_before_the_mean",
        "each batch's gradient is clipped, and not their mean",
        (
            (
                "        total = grads if total",
                "        from minigpt.optim import clip_grad_norm\n\n"
                "        grads, _ = clip_grad_norm(grads, s.grad_clip / s.grad_accumulation)\n        total = grads if total",
            ),
        ),
        "train.written_out",
    ),
    Variant(
        "train/unseeded_weights",
        "the run's seed does not reach the weights",
        (("GPT(config, seed=settings.seed, ops=ops)", "GPT(config, ops=ops)"),),
        "train.written_out",
    ),
    Variant(
        "train/validation_is_training",
        "the validation loss is the training loss",
        (('"val_loss": estimate_loss(run, "val")', '"val_loss": estimate_loss(run, "train")'),),
        "train.evaluation",
    ),
    Variant(
        "train/one_evaluation_batch",
        "one batch is evaluated, however many were asked for",
        (("for i in range(s.eval_batches))", "for i in range(1))"),),
        "train.evaluation",
    ),
    Variant(
        "train/moving_evaluation",
        "each evaluation draws other batches: its losses cannot be compared",
        (('generator(s.seed, "evaluation", i)', 'generator(s.seed, "evaluation", i + run.step)'),),
        "train.evaluation",
    ),
    Variant(
        "train/evaluation_on_training_batches",
        "the evaluation draws the very batches of training",
        (('generator(s.seed, "evaluation", i)', 'generator(s.seed, "batch", i)'),),
        "train.evaluation",
    ),
    Variant(
        "train/whole_is_validation",
        "the whole of any split is that of validation",
        (("data.whole(split, batch_size", "data.whole('val', batch_size"),),
        "train.evaluation",
    ),
]

GENERATE = [
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

WRONG_LIBRARY = [*MODEL, *PARAMETERS, *OPTIM, *DATA, *TRAIN, *GENERATE]
