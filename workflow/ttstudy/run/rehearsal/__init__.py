"""Rehearsal: the whole DAG of any study in minutes, without GPU, hub, key or internet, before it is paid for.

- `tokens`, `tiny`, `standins`: what takes each model's place, a tiny random one of its own kind.
- `problems`, `recording`: the first problems of each benchmark, or made-up ones, and recorded responses.
- `hub`, `endpoint`: servers on the loopback that hand them out.
- `sampled`, `shrunk`: the study that is run: which pairs, how few tokens, which N.
- `box`: the simulated GPUs that jobs take through the real locks.
- `faults`, `staging`: what would have failed at full size; the run, and what is told of it.
"""
