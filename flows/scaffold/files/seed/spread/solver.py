"""Ten points at random: where evolution starts."""

import random

from spread.geometry import WIDTH, smallest_distance

STARTS = 3


def solve(n, seed):
    rng = random.Random(seed)
    starts = [[(rng.uniform(0, WIDTH), rng.uniform(0, WIDTH)) for _ in range(n)] for _ in range(STARTS)]
    return max(starts, key=smallest_distance)
