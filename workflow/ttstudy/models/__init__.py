"""Checkpoints, architectures, tokenizers and what is known of models: everything below what draws or scores."""
