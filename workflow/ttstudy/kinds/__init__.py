"""Kinds of things that a study is made of, one file each: methods, PRM formats, votes, scores, engines.

A file put into a folder here is a new one, a file taken out is one less: schema, tables, layout, ledger, figures and
texts read the folders. Nothing here imports a heavy library when it is loaded, and nothing of ours but words, errors
and what stands in this wing: every start of Snakemake reads it. Only `estimators` has numpy, and functions import it.
"""
