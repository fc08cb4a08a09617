"""Slot `schedule`: how the CPU time is spent. `schedule(moves, box, rng, clock) -> Packing`."""

from __future__ import annotations

from typing import Annotated

from problems.circle_packing.blocks.toolkit import Box, Clock, Moves, Packing, Rng, math


def multistart(moves: Moves, box: Box, rng: Rng, clock: Clock) -> Packing:
    """Start afresh again and again and keep the best packing; nothing is perturbed.

    Never stuck, never learns: the chance of each descent is the same as that of the first.
    """
    best = moves.local(moves.start(box, rng), box, clock)
    while clock.running:
        trial = moves.local(moves.start(box, rng), box, clock)
        best = max(best, trial, key=lambda packing: packing.total)
    return best


def random_walk(moves: Moves, box: Box, rng: Rng, clock: Clock) -> Packing:
    """Perturb the current packing and always go on from the result, better or worse.

    It drifts away from every good packing it meets.
    """
    current = best = moves.local(moves.start(box, rng), box, clock)
    while clock.running:
        current = moves.local(moves.perturb(current, box, rng), box, clock)
        best = max(best, current, key=lambda packing: packing.total)
    return best


def hopping(
    moves: Moves, box: Box, rng: Rng, clock: Clock, *, patience: Annotated[int, (3, 200), "log"] = 8
) -> Packing:
    """Perturb the current packing, go on only from improvements, start afresh after `patience` failures.

    Too little patience abandons good basins, too much stays in poor ones.
    """
    best = current = moves.local(moves.start(box, rng), box, clock)
    stale = 0
    while clock.running:
        fresh = stale >= patience
        points = moves.start(box, rng) if fresh else moves.perturb(current, box, rng)
        trial = moves.local(points, box, clock)
        if fresh or trial.total > current.total + 1e-9:
            current, stale = trial, 0
        else:
            stale += 1
        best = max(best, current, key=lambda packing: packing.total)
    return best


def cooling(
    moves: Moves,
    box: Box,
    rng: Rng,
    clock: Clock,
    *,
    heat: Annotated[float, (0.001, 0.3), "log"] = 0.2,
    cooling_rate: Annotated[float, (0.9, 0.999)] = 0.99,
) -> Packing:
    """Accept a worse packing with a chance that falls as the search cools (simulated annealing over packings).

    Heat is in units of one circle's room: too hot is a random walk, too cold is a single descent.
    """
    best = current = moves.local(moves.start(box, rng), box, clock)
    temperature = heat * box.unit
    while clock.running:
        trial = moves.local(moves.perturb(current, box, rng), box, clock)
        loss = current.total - trial.total
        if loss <= 0.0 or rng.random() < math.exp(-loss / max(temperature, 1e-12)):
            current = trial
        best = max(best, current, key=lambda packing: packing.total)
        temperature *= cooling_rate
    return best


def race(
    moves: Moves,
    box: Box,
    rng: Rng,
    clock: Clock,
    *,
    starters: Annotated[int, (2, 40)] = 20,
    laps: Annotated[int, (1, 30)] = 2,
) -> Packing:
    """Improve several packings in turn and drop the worst one after each set of laps, until one is left.

    Many starters cost time before any of them is improved.
    """
    field = [moves.local(moves.start(box, rng), box, clock)]
    while len(field) < starters and clock.running:
        field.append(moves.local(moves.start(box, rng), box, clock))
    while clock.running:
        for k, packing in enumerate(field):
            for _ in range(laps):
                if clock.running:
                    packing = max(
                        packing, moves.local(moves.perturb(packing, box, rng), box, clock), key=lambda p: p.total
                    )
            field[k] = packing
        field.sort(key=lambda packing: -packing.total)
        del field[max(1, len(field) - 1) :]
    return field[0]
