"""Text: sources, tokenizers, and batches of tokens."""
