"""Benchmarks of a trained policy through lm-eval: it writes answers, and another process scores them."""
