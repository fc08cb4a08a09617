"""A candidate as a layer for other libraries: one file that needs torch alone, and a test beside it.

layer.py and selftest.py are read as text and copied; nothing here imports them or runs a candidate.
"""
