"""Flaws of process reward models, measured on steps that are known to be right or wrong.

The four flaws are those of the paper's appendix C; each has one definition, one number and one interval (over
problems, which are what is resampled, whatever the number of solutions of each):

- `over_criticism`: share of right steps that score below 0.5.
- `error_neglect`: share of first wrong steps that score above 0.5.
- `localisation_bias`: of the solutions with right steps before their first error, the share in which one of those
  right steps scores lower than the error.
- `localisation_late` (no flaw of a PRM that values whole prefixes, which is why it is apart): of the solutions that
  go on after their first error, the share whose lowest score comes after it.
- `length_bias`: by how much the score falls when a step is twice as long, among steps that are equally right and
  stand at the same place (least squares with one intercept for each of these groups).

Only steps up to the first error count, save for `localisation_late`: what follows an error is not labelled.
"""
