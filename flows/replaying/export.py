"""Reads a cassette out of an archive. What cannot be replayed is refused here, with the round that is in the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version

from cognition.archive import Archive, Campaign, DrawnRound
from cognition.items import ItemStore
from cognition.randomness import derive
from cognition.records import Recall
from flows import config, measure, problem_source, registry
from flows.config import ConfigError, Settings
from flows.replaying import order
from flows.replaying.picture import picture_of
from flows.replaying.records import FORMAT, Cassette, Header, RecalledItem
from tasks.codec import UndecodableResult, decode
from tasks.publication import Publication


def export(archive: Archive, name: str) -> Cassette:
    """The campaign as a cassette, its prompts in full. Raises ArchiveError, ConfigError, UnknownProblem."""
    campaign = archive.campaign(name)
    settings = config.validate(campaign.settings, f"campaign {name}")
    drawn = archive.drawn_rounds(name)
    known = measure.known_of(archive, name)
    _refuse(campaign, settings, drawn, known.accepted if known else ())
    domain = registry.load(settings.problem, settings.options)
    recalls = _recalls(archive, settings, drawn)
    versions = {(one.item, one.version) for some in recalls.values() for one in some}
    contents = archive.items_at(versions)
    calls = [call for some in archive.asked(name).values() for call in some]
    return Cassette(
        Header(
            FORMAT,
            name,
            settings.problem,
            archive.source_of(name) or problem_source.source_of(settings.problem, domain),
            campaign.contract_version,
            campaign.seed,
            settings.model_dump(mode="json"),
            "full",
            version("nightshift"),
        ),
        order.events(drawn, archive.demotions(name)),
        recalls,
        tuple(RecalledItem(version, contents[id, version]) for id, version in sorted(contents)),
        tuple(archive.items_before(domain.name, campaign.created_at)),
        ItemStore(archive).blocks(domain.name),
        tuple(calls),
        picture_of(archive, name),
    )


def _refuse(campaign: Campaign, settings: Settings, drawn: Sequence[DrawnRound], accepted: Sequence[str]) -> None:
    """Raises ConfigError with the first round that stands in the way."""
    if not any(round.is_recorded for round in drawn):
        raise ConfigError(f"{campaign.name} has no recorded round: there is nothing to replay")
    if settings.approval.motivations != type(settings.approval)().motivations:
        raise ConfigError(
            f"{campaign.name} asked a person about its proposals (approval.motivations), and what people decided is "
            "not part of a recording"
        )
    if settings.check.novelty == "model" and settings.retrieve.embedding is not None:
        raise ConfigError(
            f"{campaign.name} looked for near-duplicates by vectors, and these are not part of a recording"
        )
    if accepted:
        raise ConfigError(f"{campaign.name}: {accepted[0]}; a replay has one measure")
    for round in sorted(drawn, key=lambda round: round.index):
        if round.was_reopened:
            raise ConfigError(
                f"{round.id} was run again (`nightshift rerun`), and other rounds saw both of its results"
            )
        if round.index > 0 and round.sample.sampler != settings.sampler.kind:
            raise ConfigError(
                f"{round.id} was drawn by the sampler {round.sample.sampler}, and {campaign.name} is set to "
                f"{settings.sampler.kind} now: the settings of its earlier rounds are not known any more"
            )


def _recalls(archive: Archive, settings: Settings, drawn: Sequence[DrawnRound]) -> dict[int, tuple[Recall, ...]]:
    recalled, shown = archive.recalled(settings.name), _shown(archive, settings.name)
    found = {}
    for round in drawn:
        if round.is_recorded and round.id in recalled:
            found[round.index] = ordered(round, recalled[round.id], shown.get(round.id, ()), settings.seed)
    return found


def _shown(archive: Archive, campaign: str) -> Mapping[str, tuple[str, ...]]:
    """The items that each round showed, in their order, as its step `retrieve` published them."""
    found = {}
    for entry in archive.publications(campaign, "retrieve"):
        try:
            tags = decode(entry.payload, Publication).tags
        except UndecodableResult:
            continue
        found[entry.round_id] = tuple(filter(None, tags["nightshift.items"].split(",")))
    return found


def ordered(round: DrawnRound, recalls: Sequence[Recall], shown: Sequence[str], seed: int) -> tuple[Recall, ...]:
    """A round's recalls in the order in which they were found. Raises ConfigError if that is not known.

    What was shown has its order in what was published. What was left out has none, but the draws of the round say
    which places were left out, and no prompt depends on who had which of those.
    """
    by_name = {one.item: one for one in recalls if one.shown}
    left_out = sorted((one for one in recalls if not one.shown), key=lambda one: one.item)
    rng = derive(seed, round.index, "recall", 1)
    draws = [rng.random() >= recalls[0].leave_out for _ in recalls]
    if sorted(by_name) != sorted(shown) or draws.count(True) != len(shown):
        raise ConfigError(f"{round.id}: which cognition items it was shown is not fully recorded")
    first, second = iter(shown), iter(left_out)
    return tuple(by_name[next(first)] if is_shown else next(second) for is_shown in draws)
