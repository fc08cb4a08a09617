"""Scenario 3: reinforcement-learning algorithm design on TRL (paper, section 4.3)."""
