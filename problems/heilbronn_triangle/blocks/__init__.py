"""Code blocks, one module per slot; they are read as text and never imported by the engine."""
