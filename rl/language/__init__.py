"""Benchmarks of a trained policy through lm-eval: it writes answers, and trusted code scores them in another process."""
