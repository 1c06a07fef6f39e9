"""Specs: typed records of all that decides a step's results, their digests, and their files."""
