"""Wrong data and training. The form is that of wrong_layers.py."""

from minigpt.course.variants import Variant

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

WRONG_TRAINING = DATA + TRAIN
