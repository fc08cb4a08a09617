"""What other processes do in tests of concurrency; run as `python -m tests.cognition.crowd ROLE URL ARGUMENT`."""

from __future__ import annotations

import os
import signal
import sys

from sqlalchemy import Connection, event
from sqlalchemy.engine import Engine

from cognition.archive import Archive, RoundBusy
from cognition.items import ItemStore
from cognition.records import Item, ModelCall, Score
from cognition.samplers import SamplerSettings, make_sampler
from tests.cognition.play import NAME, evaluation, evolve, no_parent, opened, result


def worker(url: str, first: str) -> None:
    """Open the archive, whether or not it is there, and play 10 rounds of a shared campaign, every fourth index."""
    with Archive.open(url) as archive:
        archive.create_campaign(NAME, "circle_packing", 0, {}, "1")
        settings = SamplerSettings.model_validate({"kind": "map_elites"})
        evolve(archive, make_sampler(settings), range(int(first), 40, 4))
        items = [Item(f"item-{number}", "circle_packing", f"learned {number}") for number in range(20)]
        ItemStore(archive).upsert(items)
        for entry in range(20):
            archive.enqueue(NAME, NAME, f"round:{entry}", {"from": first})


def rival(url: str, name: str) -> None:
    """Try to claim each of 30 rounds; say which were won."""
    with Archive.open(url) as archive:
        archive.create_campaign(NAME, "circle_packing", 0, {}, "1")
        for index in range(30):
            try:
                archive.open_round(NAME, index, name, 3600, no_parent)
                sys.stdout.write(f"{index}\n")
            except RoundBusy:
                continue


def holder(url: str, name: str) -> None:
    """Be alone inside that name until killed."""
    with Archive.open(url) as archive, archive.database.alone(name) as held:
        sys.stdout.write(f"{held}\n")
        sys.stdout.flush()
        signal.pause()


def embedder(url: str, name: str) -> None:
    """Write 20 items of its own and 20 that others write too, give all of them vectors, and search after each."""
    from cognition.vectors import Vector

    with Archive.open(url) as archive:
        store = ItemStore(archive)
        for number in range(20):
            mine = [Item(f"{name}-{number}", "d", f"{name} {number}"), Item(f"both-{number}", "d", f"of {name}")]
            store.upsert(mine)
            missing = store.without_vector("d", "m", 100)
            near = Vector.of("m", [1.0, 0.01 * number])
            store.store_vectors("d", {item.id: near for item in missing}, {item.id: item.version for item in missing})
            store.recall("d", "", 5, near)


def killed_in_record(url: str, statements: str) -> None:
    """Record a round and be killed, as by kill -9, after that many statements inside the transaction."""
    with Archive.open(url) as archive:
        claim = opened(archive, 1)
        archive.save_call(ModelCall(claim.round_id, "researcher", 1, "h", "m", "p", "answer", 1, 1, 0.5, 1.0))
        _die_after(int(statements))
        archive.record(result(claim, Score(1.0), evaluations=(evaluation(1), evaluation(2)), items=(ITEM,)))


ITEM = Item("learned", "circle_packing", "corners first", provenance="experience")


def _die_after(statements: int) -> None:
    left = [statements]

    def count(connection: Connection, *_: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "after_cursor_execute", count)


if __name__ == "__main__":
    roles = {
        "worker": worker,
        "rival": rival,
        "holder": holder,
        "embedder": embedder,
        "killed_in_record": killed_in_record,
    }
    roles[sys.argv[1]](sys.argv[2], sys.argv[3])
