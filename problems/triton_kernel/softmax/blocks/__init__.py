"""Slot `passes` of this operation, its kernels (toolkit.py) and the frame; read as text, never imported.

Shapes: M rows, N columns; a program takes ROWS rows, one after the other, and BLOCK columns at a time.
"""
