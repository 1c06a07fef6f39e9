"""Tables and their contracts, benchmarks, recorded responses, importers, the hub."""
