import os
from pathlib import Path

from tasks import processes
from tasks.sandbox.leftovers import own


def test_what_a_killed_process_left_is_swept_and_the_living_keep_theirs(tmp_path: Path) -> None:
    dead = tmp_path / "process-4194304-1.00" / "job-1"
    dead.mkdir(parents=True)
    recycled = tmp_path / f"process-{os.getpid()}-1.00"  # our number, another start time
    recycled.mkdir()
    living = tmp_path / f"process-{os.getppid()}-{processes.started(os.getppid()):.2f}"
    living.mkdir()
    other = tmp_path / "notes"
    other.mkdir()
    mine = own(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {mine.name, living.name, "notes"}
    assert own(tmp_path) == mine
