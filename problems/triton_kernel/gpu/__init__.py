"""The rung on a GPU: launches are recorded without one, timed on it without the candidate's Python, judged outside."""
