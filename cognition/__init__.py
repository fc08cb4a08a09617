"""What the system remembers: the archive of candidates, the samplers over it, and the cognition base.

Start with records.py (the nouns), then archive.py, samplers/ and items.py. Nothing here knows Prefect, MLflow, models
or sandboxes.
"""
