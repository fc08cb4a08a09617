"""Code blocks that every operation shares: how its work is cut into programs. Read as text, never imported.

A block's docstring is its cognition item; its keyword-only arguments are its tunables. Slot `passes` and its kernels
belong to each operation (OPERATION/blocks). Shapes: M rows, N columns.
"""
