"""Code blocks for drug-target models, one module per slot; the engine reads them as text and never imports them.

No block has parameters of its own: the frame holds them, so that every combination has the same size. A block's
docstring is its cognition item; its keyword-only arguments are its tunables.

Shapes: B batch, N atoms, L residues, D width, K width of the joint space.
"""
