"""Scenario 2: evolve cleaning strategies for pre-training data, on Datatrove (paper, section 4.2)."""
