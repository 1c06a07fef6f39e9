"""The miniature world: an arithmetic task, and language models and process reward models trained on it."""
