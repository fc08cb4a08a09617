"""Softmax of each row: `out = exp(x - max) / sum(exp(x - max))`."""
