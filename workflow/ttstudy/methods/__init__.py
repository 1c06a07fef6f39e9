"""Step-level search (beam search, DVTS) over an engine and a process reward model."""
