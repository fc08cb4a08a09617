"""Heilbronn's problem in a triangle: n points, the smallest triangle among them as large as possible."""
