"""Code blocks for the offline proposer, one module per slot of the frame. They are read as text, never imported.

Shapes: B batch, T time, H heads, D head width. No block has parameters of its own: the frame holds them, so that every
combination has the same size. A block's docstring is its cognition item; its keyword-only arguments are its tunables.
"""
