"""Code blocks for cleaning, one module per slot; they are read as text and never imported by the engine."""
