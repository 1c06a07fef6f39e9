"""The DAG: typed specs, digests, paths, and what of it is left to do."""
