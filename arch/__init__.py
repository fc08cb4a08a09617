"""Scenario 1: evolve linear-attention token mixers, starting from DeltaNet (paper, section 4.1)."""
