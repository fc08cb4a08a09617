"""Points in the unit square."""
