"""Code blocks for the offline proposer, one file per slot. Read as text; never imported by the engine."""
