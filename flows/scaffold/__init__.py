"""Makes a problem folder: `nightshift new NAME`, and `--from-evaluator` for evaluators of other tools.

The folders beside this file are the templates; `my_problem` and `MyProblem` in them become the name that was given.
Nothing that exists is overwritten.
"""

from __future__ import annotations

import keyword
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from flows import registry
from flows.config import ConfigError

HERE = Path(__file__).parent
SEEDS = ("initial_program.py", "initial.py", "seed.py", "initial_program")
NAME = re.compile(r"[a-z][a-z0-9_]{1,40}")


def new(folder: Path, *, of_files: bool = False) -> list[Path]:
    """A complete problem that runs as it is; returns the files. Raises ConfigError.

    `of_files`: its candidate is a folder seed/ with a protected file, without blocks.
    """
    name = _name_of(folder)
    if of_files:
        shutil.copytree(HERE / "files", folder, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copyfile(HERE / "problem" / "cognition.jsonl", folder / "cognition.jsonl")
    else:
        shutil.copytree(HERE / "problem", folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "test_my_problem.py").rename(folder / f"test_{name}.py")
    return _filled(folder, _names(name))


def wrap(folder: Path, evaluator: Path, seed: Path | None, metric: str) -> list[Path]:
    """A problem around somebody's evaluator and its seed program; returns the files. Raises ConfigError."""
    name = _name_of(folder)
    if not evaluator.is_file():
        raise ConfigError(f"--from-evaluator: there is no file {evaluator}")
    program = seed or next((found for each in SEEDS if (found := evaluator.parent / each).is_file()), None)
    if program is None or not program.is_file():
        wanted = program or f"{evaluator.parent}/{SEEDS[0]}"
        raise ConfigError(f"there is no seed program {wanted}: name it with --seed-program")
    shutil.copytree(HERE / "wrapped", folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "evaluator").mkdir()
    shutil.copyfile(evaluator, folder / "evaluator" / evaluator.name)
    shutil.copyfile(program, folder / "seed.py")
    marks = "EVOLVE-BLOCK-START" in program.read_text(encoding="utf-8", errors="replace")
    only = "Only the text between # EVOLVE-BLOCK-START and # EVOLVE-BLOCK-END may change." if marks else ""
    texts = {"EVALUATOR": evaluator.name, "PROGRAM": program.name, "METRIC": metric, "EVOLVE\n": f"{only}\n"}
    return _filled(folder, {**_names(name), **texts}, only=("problem.py", "brief.md"))


def _name_of(folder: Path) -> str:
    name = folder.name
    if name in registry.known():
        raise ConfigError(f"{name} is a problem already, and `nightshift run {name}` means that one: take another name")
    if not NAME.fullmatch(name) or keyword.iskeyword(name.capitalize()):
        raise ConfigError(f"{name!r} is no problem's name: small letters, digits and _, a letter first, no Python word")
    if folder.exists():
        raise ConfigError(f"{folder} exists already; nothing was changed")
    return name


def _names(name: str) -> dict[str, str]:
    return {"my_problem": name, "MyProblem": "".join(part.capitalize() for part in name.split("_"))}


def _filled(folder: Path, texts: Mapping[str, str], only: tuple[str, ...] = ()) -> list[Path]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for file in files:
        if not only or (file.name in only and file.parent == folder):
            text = file.read_text(encoding="utf-8")
            for old, new_text in texts.items():
                text = text.replace(old, new_text)
            file.write_text(text, encoding="utf-8")
    return files
