"""Where tokens come from: the engine protocol and its implementations."""
