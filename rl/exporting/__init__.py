"""A loss as a small package that a TRL user imports."""
