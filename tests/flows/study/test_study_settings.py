"""A study's file: what is refused, in one line; which campaigns it means, and in which order."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from flows.config import ConfigError
from flows.study import command, settings
from flows.study.cells import cells
from flows.study.settings import validate
from tests.flows.study.examples import LADDER, TOY, scripted_values, study, values

FIRST = {"name": "recombine"}
CPU = {"cpu_s": 9, "failed_cpu_s": 1}


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"arms": [FIRST, {"name": "rich", "budget": {"cpu_s": 9}}]}, r"unequal budgets cannot be compared"),
        ({"arms": [FIRST, {"name": "rich", "rounds": 9}]}, r"arms\.1: rounds in an arm"),
        ({"arms": [FIRST, {"name": "rich", "set": {"limits": {"max_usd": 9}}}]}, r"limits in an arm"),
        ({"arms": [FIRST, {"name": "other", "set": {"options": {"gpus": 1}}}]}, r"options must be the same in all"),
        ({"arms": [FIRST, {"name": "other", "set": {"evaluate": {"replicates": 2}}}]}, r"evaluate must be the same"),
        ({"arms": [FIRST, {"name": "x", "set": {"retrieve": {"cognition": "shared"}}}]}, r"teach each other"),
        ({"arms": [FIRST, {"name": "x", "samplr": "greedy"}]}, r"arms\.1\.samplr: unknown key.*sampler"),
        ({"arms": [FIRST, {"name": "x", "set": 3}]}, r"arms\.1\.set: .*valid dictionary"),
        ({"arms": [FIRST, {"name": "x", "set": {"retrieve": 3}}]}, r"retrieve is a section"),
        ({"arms": [FIRST]}, r"arms: .*at least 2"),
        ({"arms": [FIRST, FIRST]}, r"recombine given twice"),
        ({"arms": [FIRST, {"name": "x", "expected": "worse"}]}, r"nobody knows the truth of a real study"),
        ({"seeds": 1}, r"seeds: .*at least 2"),
        ({"seeds": [4, 4]}, r"seeds: 4 given twice"),
        ({"budget": {}}, r"exactly one of cpu_s, tokens, rounds \(given: none\)"),
        ({"budget": {"cpu_s": 9, "failed_cpu_s": 1, "rounds": 3}}, r"given: cpu_s, rounds"),
        ({"budget": {"cpu_s": 9}}, r"cpu_s and failed_cpu_s go together"),
        ({"campaign": {"problem": TOY, "rounds": 9}}, r"campaign: rounds: set by the study"),
        ({"name": "Two Words"}, r"name: "),
        ({"colour": "red"}, r"colour: unknown key"),
    ],
)
def test_what_cannot_be_compared_or_is_a_typo_is_refused_in_one_line(more: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as refused:
        validate(values(**more), "toys.toml")
    assert str(refused.value).startswith("toys.toml: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("arm", "more", "reason"),
    [
        ({"cognition": False}, {}, "recombine does not read what cognition changes"),
        ({"analyzer": False}, {}, "recombine does not read what analyzer changes"),
        ({"form": "diff"}, {}, "form"),
        ({"best_of_n": True}, {}, 'proposer = "random"'),
        ({"proposer": "random"}, {"budget": {"tokens": 9}}, "uses no tokens"),
        ({"set": {"sampler": {"kin": "greedy"}}}, {}, "unknown key sampler.kin; did you mean kind"),
        ({"proposer": "model"}, {"budget": CPU}, r"a model for the researcher is asked for"),
        ({"proposer": "model"}, {}, r"arm odd: it asks a model.* set budget\.tokens"),
        ({"set": {"check": {"novelty": "model"}}}, {}, r"arm odd: it asks a model"),
        ({"set": {"analyze": {"judge": "model"}}}, {}, r"arm odd: it asks a model"),
    ],
)
def test_an_arm_that_could_not_do_what_it_says_is_refused(
    arm: dict[str, Any], more: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        command.check(study(arms=[FIRST, {"name": "odd", **arm}], **more))


def test_an_unknown_rung_is_refused() -> None:
    with pytest.raises(ConfigError, match="has explore"):
        command.check(study(campaign={"problem": TOY, "evaluate": {"rung": "scale"}}))


def test_a_ladder_with_an_unknown_block_or_constant_is_refused() -> None:
    for step, reason in (
        ({"guess": "constan"}, "slot guess has the blocks constant, not constan"),
        ({"guess": {"block": "constant", "valu": 1}}, "constant has no constant valu"),
        ({"gess": "constant"}, "the problem's slots are guess, not gess"),
    ):
        with pytest.raises(ConfigError, match=reason):
            command.check(validate(scripted_values(scripted={"ladder": [*LADDER, step]}), "toys.toml"))


def test_the_shipped_study_can_be_run() -> None:
    command.check(settings.load(Path("campaigns/study-packing.toml")))


def test_a_campaigns_file_can_be_the_base(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(f'name = "base"\nproblem = "{TOY}"\nrounds = 9\nseed = 3\nworkers = 2\n')
    (tmp_path / "study.toml").write_text(
        f'name = "toys"\ncampaign = "{tmp_path / "base.toml"}"\nseeds = [5, 7]\n'
        '[budget]\nrounds = 2\n[[arms]]\nname = "a"\n[[arms]]\nname = "b"\nproposer = "random"\n'
    )
    loaded = settings.load(tmp_path / "study.toml")
    assert {(c.settings.seed, c.settings.rounds, c.settings.workers) for c in cells(loaded)} == {(5, 2, 2), (7, 2, 2)}


def test_arms_differ_in_what_they_say_and_in_nothing_else() -> None:
    arms = [
        {"name": "full"},
        {"name": "no cognition", "cognition": False},
        {"name": "no analyzer", "analyzer": False},
        {"name": "random", "sampler": "random"},
        {"name": "edits", "form": "diff"},
        {"name": "best of n", "best_of_n": True},
    ]
    ordered = cells(validate(scripted_values(arms=arms), "toys.toml"))
    dumps = {c.arm: c.settings.model_dump(exclude={"name", "seed"}) for c in ordered if c.seed == 0}
    differing = {arm: sorted(key for key in dump if dump[key] != dumps["full"][key]) for arm, dump in dumps.items()}
    assert differing == {
        "full": [],
        "no cognition": ["retrieve"],
        "no analyzer": ["analyze"],
        "random": ["sampler"],
        "edits": ["researcher"],
        "best of n": ["analyze", "retrieve", "sampler"],
    }
    assert all(c.settings.retrieve.cognition == "own" for c in ordered)


def test_every_seed_has_all_arms_before_the_next_and_orders_differ() -> None:
    arms = [{"name": name, "proposer": "random"} for name in "abcd"]
    ordered = cells(study(arms=arms, seeds=12))
    blocks = [ordered[start : start + 4] for start in range(0, 48, 4)]
    assert all({c.seed for c in block} == {seed} for seed, block in enumerate(blocks))
    assert all({c.arm for c in block} == set("abcd") for block in blocks)
    assert len({tuple(c.arm for c in block) for block in blocks}) > 5
    first_places = Counter(block[0].arm for block in blocks)
    assert len(first_places) == 4
    assert [c.campaign for c in ordered] == [c.campaign for c in cells(study(arms=arms, seeds=12))]


def test_names_do_not_tell_a_model_which_arm_it_is_in() -> None:
    assert {c.campaign for c in cells(study())} == {"toys-a00", "toys-a01", "toys-b00", "toys-b01"}
