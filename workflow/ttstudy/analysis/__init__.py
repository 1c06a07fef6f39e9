"""What is computed from grades and scores."""
