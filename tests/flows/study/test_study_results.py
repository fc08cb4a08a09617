"""From curves to table, figures and files; a planted effect and a planted zero are told apart."""

from __future__ import annotations

import io
from random import Random
from typing import Any

import pytest

from flows.study import table
from flows.study.figures import figures
from flows.study.ledger import Curve, Ran
from flows.study.output import cell_rows, metrics, parquet, round_rows
from flows.study.results import SELF_TEST, results_of
from flows.study.settings import StudySettings, validate
from tests.flows.study.examples import curve, scripted_values, study

BUDGET = {"cpu_s": 10.0, "failed_cpu_s": 2.0}


def _planted() -> tuple[StudySettings, list[Curve]]:
    arms: list[dict[str, Any]] = [
        {"name": "full"},
        {"name": "worse", "cognition": False, "expected": "worse"},
        {"name": "same", "analyzer": False, "expected": "none"},
    ]
    wanted = validate(scripted_values(arms=arms, seeds=8, budget=BUDGET, levels=[1.0]), "toys.toml")
    rng, curves = Random(3), []
    for arm, lift in (("full", 1.0), ("worse", 0.0), ("same", 1.0)):
        for seed in range(8):
            curves.append(curve(arm, seed, [rng.gauss(lift, 0.15) for _ in range(5)]))
    return wanted, curves


def test_what_was_planted_is_found_and_what_was_not_is_not() -> None:
    wanted, curves = _planted()
    results = results_of(wanted, Ran(tuple(curves), {}))
    full, worse, same = results.arms
    assert full.final_against is None
    assert worse.final_against is not None
    assert worse.final_against.upper < 0
    assert worse.is_recovered is True
    assert same.is_recovered is True
    assert (worse.reached[0].cells, full.reached[0].cells) == (0, 7)


def test_a_planted_effect_that_is_not_there_is_reported_as_missed() -> None:
    wanted, curves = _planted()
    swapped = [curve("worse", c.seed, [p.fitness for p in c.points]) for c in curves if c.arm == "same"]
    results = results_of(wanted, Ran((*(c for c in curves if c.arm != "worse"), *swapped), {}))
    assert results.arms[1].is_recovered is False
    assert "NOT found" in table.markdown(results)


@pytest.mark.parametrize("lift", [0.0, 1.0])
def test_from_a_few_equal_pairs_nothing_planted_is_found(lift: float) -> None:
    """A difference that is the same on all three seeds has an interval without a width, and p = 0.5."""
    arms: list[dict[str, Any]] = [{"name": "full"}, {"name": "blind", "cognition": False, "expected": "worse"}]
    wanted = validate(scripted_values(arms=arms, seeds=3, budget=BUDGET), "toys.toml")
    curves = [curve("full", s, [2.0] * 5) for s in range(3)] + [curve("blind", s, [2.0 - lift] * 5) for s in range(3)]
    results = results_of(wanted, Ran(tuple(curves), {}))
    assert results.arms[1].is_recovered is None
    shown = table.markdown(results)
    assert "worse: cannot be told from 3 pairs" in shown
    assert "[all 3 equal]" in shown
    assert "never below 0.25" in shown


def test_an_effect_that_all_ten_seeds_show_alike_is_found() -> None:
    arms: list[dict[str, Any]] = [{"name": "full"}, {"name": "blind", "cognition": False, "expected": "worse"}]
    wanted = validate(scripted_values(arms=arms, seeds=10, budget=BUDGET), "toys.toml")
    curves = [curve("full", s, [2.0] * 5) for s in range(10)] + [curve("blind", s, [1.0] * 5) for s in range(10)]
    results = results_of(wanted, Ran(tuple(curves), {}))
    assert results.arms[1].is_recovered is True
    assert "never below" not in table.markdown(results)


def test_an_incomplete_cell_is_left_out_on_both_sides_and_named() -> None:
    wanted, curves = _planted()
    curves[8] = curve("worse", 0, [9.0], complete=False)
    results = results_of(wanted, Ran(tuple(curves), {"worse-0": "stopped on request"}))
    worse = results.arms[1]
    assert worse.cells == 7
    assert worse.final_against is not None
    assert worse.final_against.seeds == 7
    assert "Not complete and left out: 1 cells (worse-0: stopped on request)" in table.markdown(results)


def test_what_was_found_after_the_budget_does_not_count() -> None:
    late = [curve("recombine", seed, [1.0, 2.0, 3.0, 4.0, 5.0, 99.0]) for seed in (0, 1)]
    wanted = study(budget=BUDGET)
    results = results_of(wanted, Ran(tuple(late), {}))
    assert results.arms[0].final is not None
    assert results.arms[0].final.mean == 5.0
    assert results.arms[0].rounds == 5.0


def test_nothing_finished_is_no_number() -> None:
    results = results_of(study(), Ran((), {"toys-a00": "not run yet"}))
    assert results.arms[0].final is None
    assert metrics(results) == {}
    assert all(content.startswith(b"\x89PNG") for content in figures(study(), [], "closeness").values())


def test_a_self_test_says_so_in_every_title(monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.axes import Axes

    titles: list[str] = []
    plain = Axes.set_title

    def noted(axes: Axes, text: str, **more: Any) -> Any:
        titles.append(text)
        return plain(axes, text, **more)

    monkeypatch.setattr(Axes, "set_title", noted)
    wanted, curves = _planted()
    drawn = figures(wanted, curves, "closeness")
    assert set(drawn) == {"over_rounds.png", "over_budget.png", "finals.png"}
    assert len(titles) == 3
    assert all(SELF_TEST in title for title in titles)
    assert SELF_TEST in table.markdown(results_of(wanted, Ran(tuple(curves), {}))).splitlines()[0]
    assert SELF_TEST not in table.markdown(results_of(study(), Ran((), {})))


def test_the_raw_data_comes_back_from_parquet() -> None:
    import pyarrow.parquet

    wanted, curves = _planted()
    rows = round_rows(curves)
    assert pyarrow.parquet.read_table(io.BytesIO(parquet(rows))).to_pylist() == rows
    cells = pyarrow.parquet.read_table(io.BytesIO(parquet(cell_rows(wanted, curves)))).to_pylist()
    assert len(cells) == 24
    assert cells[0]["final"] == max(point.fitness or 0.0 for point in curves[0].points)
