"""Triton kernels for linear attention, each with a plain torch reference. The import loads neither torch nor triton.

`kernels/` itself is a source root without an `__init__.py`: Hugging Face's `kernels` owns that import name.
"""
