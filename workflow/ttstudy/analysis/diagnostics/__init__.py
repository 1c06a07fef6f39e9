"""What PRMs get wrong on steps that are known to be right or wrong, and which searches fail by it."""
