"""Training on GPUs with TRL: what is chosen, what is missing, the plan of a run, and the trainer itself (a leaf)."""
