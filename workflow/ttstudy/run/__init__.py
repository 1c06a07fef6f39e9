"""What runs a study: steps, progress, provenance, integrity, plans, machines."""
