"""What stands in for models and cognition base in a replay: the cassette. Nothing here can reach a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cognition.archive import Archive
from cognition.database import Database
from cognition.items import ItemStore
from cognition.recall import Recalled, Rule
from cognition.records import Failure, Item, ModelCall
from flows.replaying.records import Cassette

if TYPE_CHECKING:
    from cognition.vectors import Vector

Key = tuple[str, str, int, str]


class Tape:
    """The cassette as rounds read it. One round runs at a time, and `current` is its index."""

    def __init__(self, cassette: Cassette) -> None:
        """At its beginning."""
        self.cassette = cassette
        self.answers = {key_of(call): call for call in cassette.calls}
        self.items = {(one.item.id, one.version): one.item for one in cassette.items}
        self.not_run: dict[int, tuple[Failure, ...]] = {}  # by round, as it was when the round was drawn
        self.researchers = dict[str, str]()  # the first model that each round's Researcher was asked from
        for call in cassette.calls:
            if call.role == "researcher":
                self.researchers.setdefault(call.round_id, call.model)
        self.current = 0

    def others(self, round_id: str, role: str, attempt: int) -> list[str]:
        """The prompt hashes that were recorded for a question."""
        return [key[3] for key in self.answers if key[:3] == (round_id, role, attempt)]


def key_of(call: ModelCall) -> Key:
    """What an answer is found by."""
    return (call.round_id, call.role, call.attempt, call.prompt_hash)


class ReplayArchive(Archive):
    """An archive of its own that takes the answers of models from the tape."""

    tape: Tape

    def __init__(self, database: Database) -> None:
        """Use `on`."""
        super().__init__(database)

    @classmethod
    def on(cls, url: str, tape: Tape) -> ReplayArchive:
        """A new archive at `url`. Raises ArchiveError."""
        archive = cls.open(url)
        assert isinstance(archive, ReplayArchive)
        archive.tape = tape
        return archive

    def find_call(self, round_id: str, role: str, attempt: int, prompt_hash: str) -> ModelCall | None:
        """The answer on the tape; it goes into this archive's ledger when it is asked for."""
        recorded = self.tape.answers.get((round_id, role, attempt, prompt_hash))
        if recorded is not None:
            self.save_call(recorded)
        return recorded

    def without_candidate(self, campaign: str, k: int) -> tuple[Failure, ...]:
        """As it was when the current round was drawn."""
        return self.tape.not_run.get(self.tape.current, ())[:k]

    def without_candidate_now(self, campaign: str, k: int) -> tuple[Failure, ...]:
        """As it is."""
        return super().without_candidate(campaign, k)

    def researcher_of(self, round_id: str) -> str:
        """The model that was asked then. The bandit's choice is not made again: what it read went on changing between
        the draw of a sample and the choice, and nothing tells how much of it there was.
        """
        return self.tape.researchers.get(round_id, "")


class RecordedItems(ItemStore):
    """A cognition base that answers each round what it was answered then.

    The base is shared by all campaigns of an archive and goes on learning, so that what it answers today says nothing
    about a replay; like a model's, its answers are taken from the tape.
    """

    def __init__(self, archive: ReplayArchive) -> None:
        """With the items of the start in it, so that lessons about them find them."""
        super().__init__(archive)
        self.tape = archive.tape
        self.add_missing([*self.tape.cassette.base, *self.tape.cassette.blocks])

    def recall(
        self, domain: str, query: str, k: int = 5, vector: Vector | None = None, rule: Rule | None = None
    ) -> list[Recalled]:
        """What the current round was answered."""
        recalls = self.tape.cassette.recalls.get(self.tape.current, ())
        return [Recalled(self.tape.items[one.item, one.version], one.version, 0.0) for one in recalls]

    def at_versions(self, wanted: Sequence[tuple[str, int]]) -> tuple[Item, ...]:
        """What items said then."""
        return tuple(self.tape.items[key] for key in wanted)

    def blocks(self, domain: str) -> tuple[Item, ...]:
        """The blocks that the campaign had."""
        return self.tape.cassette.blocks
