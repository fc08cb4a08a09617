"""Language benchmarks through lm-eval: the model answers in the sandbox, everything is scored outside."""
