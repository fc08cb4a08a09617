"""The offline proposer: it composes code blocks carried by cognition items and tunes their declared constants.

This is algorithm configuration over operators that people wrote. It is labelled so in every program, motivation and
provenance, it calls no language model, and its rounds are never compared with a language model's.

    genome.py    what a combination is: a block per slot, a value per tunable; fresh, swap, crossover, jitter
    render.py    a combination as a standalone program
    history.py   what the context tells about combinations: standings, basins, staleness, Thompson sampling
    proposer.py  Recombine and RandomCombination, the two proposers
"""

from tasks.recombine.proposer import RandomCombination, Recombine, RecombineSettings

__all__ = ["RandomCombination", "Recombine", "RecombineSettings"]
