"""A Triton kernel for a named operation: correct on fresh inputs, and few bytes moved; see docs/triton_kernel.md."""
