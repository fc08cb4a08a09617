"""Ten points at random: the program that evolution starts from."""

import random


def solve(n, seed):
    rng = random.Random(seed)
    return [(rng.random(), rng.random()) for _ in range(n)]
