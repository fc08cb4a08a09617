from pathlib import Path

import pytest

from flows import config
from flows.registry import UnknownProblem
from flows.registry import load as load_problem

FILES = sorted((Path(__file__).parents[2] / "campaigns").glob("*.toml"))
#: Studies and sweeps are made of campaigns and have forms of their own.
CAMPAIGNS = [path for path in FILES if not path.stem.startswith("study-") and not path.stem.endswith("-sweep")]


def _toml(tmp_path: Path, text: str) -> str:
    path = tmp_path / "c.toml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("path", CAMPAIGNS, ids=lambda path: path.stem)
def test_every_shipped_campaign_is_valid_and_named_like_its_file(path: Path) -> None:
    settings = config.load(str(path), {})
    assert settings.name == path.stem
    load_problem(settings.problem, settings.options)


def test_a_plain_problem_name_gets_defaults_and_a_name() -> None:
    settings = config.load("circle_packing", {"seed": 3})
    assert (settings.name, settings.seed, settings.problem) == ("circle-packing-s3", 3, "circle_packing")


def test_an_unknown_key_is_an_error_with_a_suggestion(tmp_path: Path) -> None:
    source = _toml(tmp_path, 'problem = "circle_packing"\nround = 3\n')
    with pytest.raises(config.ConfigError, match="unknown key round; did you mean rounds"):
        config.load(source, {})


def test_an_unknown_key_in_a_section_is_an_error_with_a_suggestion(tmp_path: Path) -> None:
    source = _toml(tmp_path, 'problem = "circle_packing"\n[propose]\nattempt = 3\n')
    with pytest.raises(config.ConfigError, match=r"unknown key propose\.attempt; did you mean attempts"):
        config.load(source, {})


def test_broken_toml_says_where(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError, match=r"not valid TOML.*line 2"):
        config.load(_toml(tmp_path, 'problem = "x"\nrounds = = 3\n'), {})


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(config.ConfigError, match="cannot read"):
        config.load(str(path), {})


def test_a_missing_file_is_named() -> None:
    with pytest.raises(config.ConfigError, match=r"there is no file campaigns/circle-packing-laptob\.toml"):
        config.load("campaigns/circle-packing-laptob.toml", {})


def test_a_value_out_of_range_names_the_key() -> None:
    with pytest.raises(config.ConfigError, match="workers"):
        config.load("circle_packing", {"workers": 0})


def test_settings_survive_json() -> None:
    settings = config.load("circle_packing", {"sampler": {"kind": "greedy"}})
    assert config.Settings.model_validate(settings.model_dump(mode="json")) == settings


def test_an_unknown_problem_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownProblem, match="did you mean circle_packing"):
        load_problem("circle_paking", {})


def test_an_unknown_option_of_a_problem_is_refused() -> None:
    with pytest.raises(UnknownProblem, match="option circles"):
        load_problem("circle_packing", {"circles": 3})


def test_a_problem_can_be_named_by_its_class() -> None:
    assert load_problem("tests.toy_domain:Toy", {}).name == "toy"


def test_an_assignment_without_a_value_is_refused() -> None:
    with pytest.raises(config.ConfigError, match="KEY=VALUE"):
        config.parse_assignments(["workers"])
