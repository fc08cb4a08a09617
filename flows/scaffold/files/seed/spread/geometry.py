"""What everybody agrees on: the square and the distance. Protected: proposals must not touch it."""

import itertools
import math

WIDTH = 1.0


def smallest_distance(points):
    return min(math.dist(one, other) for one, other in itertools.combinations(points, 2))
