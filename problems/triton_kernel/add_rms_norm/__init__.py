"""Residual add, RMS norm and scale in one operation: `summed = x + residual`, `out = summed / rms(summed) * weight`."""
