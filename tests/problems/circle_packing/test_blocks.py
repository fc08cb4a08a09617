"""Every block, alone: it works for any number of circles and any rectangle, repeats itself, and keeps to its time."""

from __future__ import annotations

import inspect
import time
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from problems.circle_packing.blocks import frame, local, perturb, schedule, start, toolkit
from problems.circle_packing.knowledge import items
from problems.circle_packing.referee import Rectangle, Verified, judge

SHAPES = [(1, 1.0, 1.0), (2, 1.0, 1.0), (3, 4.0, 0.5), (7, 1.0, 2.0), (26, 1.0, 1.0)]
BLOCKS = [item.block for item in items() if item.block is not None]


def names(slot: str) -> list[str]:
    return [block.name for block in BLOCKS if block.slot == slot]


def clock() -> toolkit.Clock:
    return toolkit.Clock(10.0)


def verdict(packing: toolkit.Packing, box: toolkit.Box) -> Verified:
    rows = [[float(x), float(y), float(r)] for (x, y), r in zip(packing.points, packing.radii, strict=True)]
    verified = judge(rows, box.n, Rectangle(Fraction(box.width), Fraction(box.height)))
    assert isinstance(verified, Verified), verified
    return verified


def points_in(box: toolkit.Box, seed: int = 0) -> toolkit.Array:
    return toolkit.uniform(box, np.random.default_rng(seed), box.n)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", names("start"))
def test_starts_give_n_points_inside(name: str, shape: tuple[int, float, float]) -> None:
    box = toolkit.Box(*shape)
    block: Any = getattr(start, name)
    points = block(box, np.random.default_rng(1))
    assert points.shape == (box.n, 2)
    assert ((points >= 0) & (points <= (box.width, box.height))).all()
    assert np.array_equal(points, block(box, np.random.default_rng(1)))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", names("local"))
def test_local_methods_give_packings_that_the_referee_accepts(name: str, shape: tuple[int, float, float]) -> None:
    box = toolkit.Box(*shape)
    block: Any = getattr(local, name)
    for seed in range(3):
        verdict(block(points_in(box, seed), box, clock()), box)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", names("perturb"))
def test_perturbations_stay_inside_and_leave_the_packing_alone(name: str, shape: tuple[int, float, float]) -> None:
    box = toolkit.Box(*shape)
    packing = toolkit.fit(points_in(box), box)
    before = packing.points.copy()
    block: Any = getattr(perturb, name)
    points = block(packing, box, np.random.default_rng(2))
    assert points.shape == (box.n, 2)
    assert ((points >= 0) & (points <= (box.width, box.height))).all()
    assert np.array_equal(packing.points, before)


@pytest.mark.parametrize("name", names("schedule"))
def test_schedules_keep_the_best_and_stop_in_time(name: str) -> None:
    box, seen = toolkit.Box(7, 1.0, 1.0), []

    def watched(points: toolkit.Array, box: toolkit.Box, clock: toolkit.Clock) -> toolkit.Packing:
        seen.append(toolkit.fit(points, box))
        return seen[-1]

    block: Any = getattr(schedule, name)
    began = time.process_time()
    best = block(
        toolkit.Moves(start.uniform_points, watched, perturb.jitter_all),
        box,
        np.random.default_rng(3),
        toolkit.Clock(0.1),
    )
    assert time.process_time() - began < 1.0  # other threads of the test run count too
    assert len(seen) > 20
    if name != "race":  # a race drops packings, never its best one
        assert best.total == max(packing.total for packing in seen)
    assert best.total >= max(packing.total for packing in seen[:20])


def test_the_linear_step_never_loses_and_stays_valid() -> None:
    box = toolkit.Box(26, 1.0, 1.0)
    packing = toolkit.best_radii(points_in(box), box)
    for _ in range(6):
        further = toolkit.linear_step(packing, box, 0.3 * box.unit)
        assert further.total >= packing.total - 1e-9
        verdict(further, box)
        packing = further


def test_radii_by_linear_programme_beat_half_the_nearest_distance() -> None:
    box = toolkit.Box(26, 1.0, 1.0)
    points = points_in(box)
    assert toolkit.best_radii(points, box).total > toolkit.fit(points, box).total


def test_sequential_lp_solves_two_circles() -> None:
    """Two circles in opposite corners: their radii add up to 2 - sqrt(2), however they share it."""
    box = toolkit.Box(2, 1.0, 1.0)
    found = max(local.sequential_lp(points_in(box, seed), box, clock(), steps=40).total for seed in range(8))
    assert found == pytest.approx(2.0 - 2.0**0.5, abs=1e-9)


def test_the_frame_gives_plain_tuples_and_repeats_itself() -> None:
    circles = frame.pack(5, 2.0, 1.0, 3, 0.05)
    assert [[type(value) for value in circle] for circle in circles] == [[float, float, float]] * 5


def test_blocks_are_pure_functions_of_their_arguments() -> None:
    """The frame copies only the function, so a block may use nothing of its module but the toolkit."""
    for block in BLOCKS:
        function: Any = getattr(
            {"start": start, "local": local, "perturb": perturb, "schedule": schedule}[block.slot], block.name
        )
        free = set(inspect.getclosurevars(function).globals) - set(toolkit.__all__)
        assert free == set(), block.name
