"""The offline corpus: real technical English (real_text.py), injected noise with known truth (noise.py, hidden.py)."""
