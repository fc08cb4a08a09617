"""A campaign whose candidate is a folder, with a scripted model; real archive, real sandbox, real Prefect server."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from cognition import tree
from cognition.archive import Archive
from cognition.records import Score
from flows import progress, runtime
from flows.cli import app
from flows.config import Settings
from flows.home import open_home
from tasks.codec import decode
from tasks.publication import Publication
from tests.problems.tree_problem import SEED, make
from tests.scripted_server import Script, ScriptedServer

PATCH = (
    "=== file: pkg/helper.py\n<<<<<<< SEARCH\n    return [value * 1 for value in values]\n=======\n"
    "    return [grown(value) for value in values]\n>>>>>>> REPLACE\n"
    "=== whole file: pkg/grow.py\ndef grown(value):\n    return min(1.0, value * 3)\n"
)
IMPORT = PATCH.replace("=== whole", "<<<<<<< SEARCH\ndef scaled(values):\n=======\nfrom pkg.grow import grown\n\n\n"
                       "def scaled(values):\n>>>>>>> REPLACE\n=== whole")  # fmt: skip
ANSWERS = ("=== whole file: data/table.txt\n1 1 1\n", "=== file: pkg/none.py\n", IMPORT)


def test_a_tree_evolves_by_patches_and_protected_files_are_refused(home: Path, tmp_path: Path) -> None:
    problem = make(tmp_path / "sums")
    replies = tuple(json.dumps({"motivation": "It grows.", "sources": [], "edits": edits}) for edits in ANSWERS)
    with ScriptedServer(Script(replies=replies)) as server:
        model = {"model": "scripted", "base_url": server.base_url, "timeout_s": 30.0, "retries": 1}
        values = {
            "name": "tree-sums", "problem": str(problem), "rounds": 1, "workers": 1, "tracking": {"enabled": False},
            "propose": {"kind": "openai", "attempts": 3}, "researcher": {"mode": "diff"},
            "models": {"researcher": model},
        }  # fmt: skip
        progress.stop_requested.clear()
        ended = runtime.run_campaign(Settings.model_validate(values), lambda: None)
        prompts = [body["messages"][1]["content"] for body in server.requests]
    assert ended.ending == "finished", ended.sentence
    assert len(prompts) == 3
    assert "=== file: data/table.txt (protected)\n0.1 0.2 0.3\n" in prompts[0]
    assert "these files must stay as they are: data/table.txt (changed)" in prompts[1]
    assert "there is no file pkg/none.py" in prompts[2]
    with Archive.open(open_home().archive_url) as archive:
        seed, made = archive.candidate("tree-sums-0000"), archive.candidate("tree-sums-0001")
        published = [decode(entry.payload, Publication).texts for entry in archive.publications("tree-sums", "propose")]
    assert tree.read(seed.code) == SEED
    assert isinstance(made.outcome, Score), made.outcome
    assert abs(made.outcome.fitness - 1.8) < 1e-9
    assert tree.read(made.code)["pkg/grow.py"].startswith("def grown(value):\n")
    texts = next(each for each in published if "program/pkg/grow.py" in each)
    assert "--- /dev/null\n+++ tree-sums-0001/pkg/grow.py\n" in texts["parent.diff"]
    done = CliRunner().invoke(app, ["export", "tree-sums-0001", "--git", str(tmp_path / "out")])
    assert done.exit_code == 0, (done.output, done.exception)
    assert (tmp_path / "out" / "pkg" / "grow.py").exists()
