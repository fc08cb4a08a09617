"""Why a cassette does not fit a problem or a campaign. Each reason names the first round from which on it would not."""

from __future__ import annotations

from collections.abc import Mapping

from cognition.records import JSON, round_id
from flows import problem_source
from flows.config import ConfigError, Settings
from flows.replaying.records import Cassette
from tasks.contract import Domain

#: Roles whose questions are part of a round.
ASKING = ("researcher", "reviewer", "debugger", "judge", "analyzer")


def refuse_other_problem(cassette: Cassette, settings: Settings, domain: Domain) -> None:
    """Raises ConfigError unless the problem is the one that was recorded, to its last file."""
    header = cassette.header
    first = round_id(header.campaign, min(cassette.recorded, default=0))
    if domain.contract_version != header.contract_version:
        raise ConfigError(
            f"{first}: recorded under contract version {header.contract_version} of {header.problem}, this one has "
            f"{domain.contract_version}: scores would not be the same"
        )
    source = problem_source.source_of(settings.problem, domain)
    if source != header.source:
        raise ConfigError(
            f"{first}: the files of {settings.problem} are not those that the campaign ran with (hash {source[:12]}, "
            f"recorded {header.source[:12]}): check that version out, or name its folder with --problem"
        )


def refuse_without_sandbox(cassette: Cassette) -> None:
    """A file is somebody's word, and its programs are run. Raises ConfigError if it asks for no isolation."""
    if cassette.header.settings.get("sandbox", {}).get("unsafe_no_sandbox"):
        raise ConfigError(
            f"{cassette.header.campaign} was run without a sandbox, and a cassette's programs are not run without one: "
            "replay it from the archive that recorded it"
        )


def refuse_other_campaign(cassette: Cassette, mine: Cassette | None) -> None:
    """Raises ConfigError unless the cassette agrees with the campaign of its name in this archive, if there is one."""
    if mine is None:
        return
    name = cassette.header.campaign
    theirs, ours = cassette.header, mine.header
    for what, one, other in (
        ("problem hash", theirs.source, ours.source),
        ("contract version", theirs.contract_version, ours.contract_version),
        ("seed", theirs.seed, ours.seed),
        ("options", theirs.settings["options"], ours.settings["options"]),
        ("evaluation settings", theirs.settings["evaluate"], ours.settings["evaluate"]),
    ):
        if one != other:
            raise ConfigError(
                f"{round_id(name, 0)}: the cassette is of another campaign than {name} here: its {what} is {one}, "
                f"not {other}"
            )
    for index in cassette.recorded:
        if (why := _why_other(cassette.picture.rounds[index], mine.picture.rounds.get(index))) is not None:
            raise ConfigError(f"{round_id(name, index)}: the cassette is of another campaign than {name} here: {why}")


def _why_other(theirs: Mapping[str, JSON], ours: Mapping[str, JSON] | None) -> str | None:
    if ours is None or not ours["recorded"]:
        return "here that round is not recorded"
    if theirs.get("answers") != ours.get("answers"):
        return "its prompt hashes or answers are others"
    if theirs.get("code") != ours.get("code"):
        return "its program is another"
    return None


def needs_model(settings: Settings) -> bool:
    """Whether rounds of these settings ask a model anything."""
    check, analyze = settings.check, settings.analyze
    return settings.propose.kind == "openai" or "model" in (check.reviewer, check.debugger, analyze.kind)


def refuse_sampler(settings: Settings, kind: str) -> None:
    """Raises ConfigError unless the campaign can be run with another sampler at all."""
    if not needs_model(settings):
        return
    for role, model in settings.models.items():
        if not is_scripted(model.model, model.base_url):
            raise ConfigError(
                f"the sampler {kind} would choose other parents than {settings.sampler.kind}, so the {role} would be "
                f"asked other questions than were recorded, and {model.model} cannot be asked in a replay. Only a "
                "scripted researcher on this machine (a model named scripted..., on 127.0.0.1) or a campaign without "
                "models can show what another sampler would have done"
            )


def is_scripted(model: str, base_url: str) -> bool:
    """A researcher whose answers follow from the prompt by a script, on this very machine.

    >>> is_scripted("scripted", "http://127.0.0.1:8123/v1"), is_scripted("gpt-5", "https://api.openai.com/v1")
    (True, False)
    """
    return model.startswith("scripted") and base_url.split("//")[-1].split("/")[0].rsplit(":", 1)[0] in (
        "127.0.0.1",
        "localhost",
        "[::1]",
    )
