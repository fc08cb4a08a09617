"""A problem whose candidate is a folder, written into a temporary one for tests."""

from __future__ import annotations

from pathlib import Path

PROBLEM = '''"""Numbers whose sum is wanted high."""

from problems.folder import Failure, FailureKind, FolderProblem, Limits


class Sums(FolderProblem):
    name = "sums"
    metric = "sum"
    entry = "pkg.core:solve"
    protected = ("data/", "pkg/fixed.py")
    limits = Limits(cpu_s=5.0, wall_s=60.0, memory_mb=256)

    def judge(self, answer, request):
        if len(answer) != 3 or not all(0 <= float(value) <= 1 for value in answer):
            return Failure(FailureKind.INVALID, "three numbers from 0 to 1 are wanted")
        return {"sum": float(sum(answer))}
'''
BRIEF = "# Goal\nA high sum.\n# Program contract\nDefine solve(seed) in pkg/core.py: three numbers from 0 to 1.\n"
SEED = {
    "data/table.txt": "0.1 0.2 0.3\n",
    "pkg/__init__.py": "",
    "pkg/core.py": (
        "from pkg.fixed import table\nfrom pkg.helper import scaled\n\n\ndef solve(seed):\n    return scaled(table())\n"
    ),
    "pkg/fixed.py": (
        "from pathlib import Path\n\n\ndef table():\n"
        '    text = Path(__file__).parents[1].joinpath("data/table.txt").read_text()\n'
        "    return [float(word) for word in text.split()]\n"
    ),
    "pkg/helper.py": "def scaled(values):\n    return [value * 1 for value in values]\n",
}


def make(folder: Path) -> Path:
    """The problem's folder."""
    for name, text in {"problem.py": PROBLEM, "brief.md": BRIEF}.items():
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    (folder / "cognition.jsonl").write_text("")
    for name, text in SEED.items():
        file = folder / "seed" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder
