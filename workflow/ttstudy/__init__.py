"""ttstudy: a reproducible study of compute-optimal test-time scaling."""
