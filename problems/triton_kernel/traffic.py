"""The proxy that stands for speed where there is no GPU: memory traffic counted in Triton's interpreter. Not a speed.

Counted are the 32-byte sectors that each load and store of each program touches (a GPU fetches memory by such sectors),
for tensors and scratch alike; nothing is assumed to be cached, so what two programs load counts twice. Two corrections
keep the proxy from favouring what no GPU would run well: a launch takes as long as its busiest program, so it counts at
least BUSY times what that one moves; and every launch costs a share of the floor. Pure; no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.contract import JSON

#: The processors of this toy device; stands for the 132 of an H100 at small sizes.
BUSY = 8
#: What a launch costs: some microseconds, which is some percent of what a GPU needs for tens of megabytes.
LAUNCH_SHARE = 0.02
NAMES = (
    "programs", "loads", "stores", "loaded_bytes", "stored_bytes", "loaded_sectors", "stored_sectors",
    "busiest_sectors",
)  # fmt: skip
SECTOR_BYTES = 32


class Unusable(ValueError):
    """The counts do not have the form that the adapter gives them."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What the interpreter counted in one launch; bytes are those of unmasked elements.

    `busiest_sectors`: loaded and stored by the program that moved most.
    """

    programs: int
    loads: int
    stores: int
    loaded_bytes: int
    stored_bytes: int
    loaded_sectors: int
    stored_sectors: int
    busiest_sectors: int

    @property
    def moved_bytes(self) -> int:
        """In whole sectors."""
        return SECTOR_BYTES * (self.loaded_sectors + self.stored_sectors)

    @property
    def charged_bytes(self) -> int:
        """With what processors cost that wait for the busiest program."""
        return max(self.moved_bytes, BUSY * SECTOR_BYTES * self.busiest_sectors)


def read(counted: JSON) -> tuple[Launch, ...]:
    """The launches of one call. Raises Unusable."""
    if not isinstance(counted, list):
        raise Unusable("the launches of a call are not a list")
    return tuple(_launch(entry) for entry in counted)


def _launch(entry: JSON) -> Launch:
    if not isinstance(entry, dict) or set(entry) != set(NAMES):
        raise Unusable(f"a launch is counted by {', '.join(NAMES)}")
    numbers = [entry[name] for name in NAMES]
    if not all(type(number) is int and 0 <= number < 2**53 for number in numbers) or entry["programs"] == 0:
        raise Unusable("a count is not a whole number in range")
    return Launch(*numbers)


def moved_bytes(launches: Sequence[Launch]) -> int:
    """Of a call, without corrections."""
    return sum(launch.moved_bytes for launch in launches)


def efficiency(launches: Sequence[Launch], floor_bytes: int) -> float:
    """The floor over what was counted, corrections included: 1 would be one launch that costs nothing.

    >>> one = Launch(8, 24, 8, 768, 256, 24, 8, 4)
    >>> round(efficiency([one], 1024), 4)
    0.9804
    >>> round(efficiency([one, one], 1024), 4)
    0.4902
    """
    charged = sum(launch.charged_bytes for launch in launches)
    return floor_bytes / (charged + LAUNCH_SHARE * floor_bytes * len(launches))


def impossible(launches: Sequence[Launch], read_bytes: int, written_bytes: int) -> str | None:
    """Why these counts cannot belong to a right answer: fewer bytes than its inputs and outputs have."""
    loaded, stored = sum(x.loaded_bytes for x in launches), sum(x.stored_bytes for x in launches)
    fetched = SECTOR_BYTES * sum(x.loaded_sectors for x in launches)
    sent = SECTOR_BYTES * sum(x.stored_sectors for x in launches)
    if min(loaded, fetched) < read_bytes or min(stored, sent) < written_bytes:
        return (
            f"the kernels loaded {loaded} and stored {stored} bytes, but the inputs have {read_bytes} and the outputs "
            f"{written_bytes}: something else did their work, or the counts are false"
        )
    return None
