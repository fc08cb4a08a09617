"""Erdos's minimum overlap problem: a step function that overlaps its shifted complement little at every shift."""
