"""Circle packing: n circles in a rectangle, maximise the sum of their radii."""
