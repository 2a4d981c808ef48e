"""Generation: from a model's logits to new tokens."""
