"""The contract suite over curation, with few documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import pytest

from curation import rules
from curation.domain import Curation
from tasks.artefacts import UriWorkspace
from tasks.contract import Domain, Failure, FailureKind, Sandbox
from tasks.sandbox import open_sandbox
from tests.contract_suite import BadProgram, DomainContract

HEAD = "def clean(text, metadata):\n"
INVALID = frozenset({FailureKind.INVALID})
CHECK = frozenset({FailureKind.CHECK})


def does(body: str, before: str = "") -> str:
    return f"{before}{HEAD}    {body}\n"


class TestCurationContract(DomainContract):
    ceiling = 1.0

    bad_programs: ClassVar[Mapping[str, BadProgram]] = {
        "no clean": BadProgram("x = 1\n", CHECK),
        "wrong arguments": BadProgram("def clean(text):\n    return text\n", CHECK),
        "forbidden import": BadProgram("import pydoc_data.topics\n" + does("return text"), CHECK),
        "unknown stock step": BadProgram('STEPS = [["LanguageFilter", {}]]\n' + does("return text"), CHECK),
        "a threshold out of range": BadProgram(
            'STEPS = [["C4QualityFilter", {"min_num_sentences": 1000000}]]\n' + does("return text"), CHECK
        ),
        "declared state": BadProgram(f"n = 0\n{HEAD}    global n\n    n += 1\n    return text\n", CHECK),
        "raises": BadProgram(does("raise ValueError('no')"), frozenset({FailureKind.CRASH})),
        "a number for a text": BadProgram(does("return 1"), INVALID),
        "reorders": BadProgram(does("return ' '.join(reversed(text.split()))"), INVALID),
        "invents": BadProgram(does("return text + ' wholly invented sentences about zebras' * 3"), INVALID),
        "grows": BadProgram(does("return text + text"), INVALID),
        "merges": BadProgram(
            does("seen.append(text)\n    return text + (seen[-2] if len(seen) > 1 else '')", "seen = []\n"), INVALID
        ),
        "keeps state": BadProgram(
            does("seen.append(1)\n    return text if len(seen) % 2 else None", "seen = []\n"), INVALID
        ),
        "loops on one kind of document": BadProgram(
            does("while metadata['category'] == 'mathematics':\n        pass\n    return text"),
            frozenset({FailureKind.CPU_TIME}),
        ),
        "loops and swallows the timer": BadProgram(
            f"{HEAD}    while True:\n        try:\n            while True:\n                pass\n"
            "        except BaseException:\n            pass\n",
            frozenset({FailureKind.CPU_TIME}),
        ),
    }
    liars: ClassVar[Mapping[str, str]] = {
        "returns a score": does("return {'text': text, 'f1': 1.0}"),
        "a text that claims to be another": does(
            "return T(text)", "class T(str):\n    def __eq__(self, other):\n        return True\n"
        ),
        "drops everything": does("return None"),
    }

    @pytest.fixture
    def domain(self) -> Domain:
        return Curation(Curation.Options(documents=20, cpu_s=0.5, document_cpu_s=0.2))

    @pytest.fixture(scope="class")
    @classmethod
    def sandbox(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
        with open_sandbox(tmp_path_factory.mktemp("scratch"), unsafe=True, preload=Curation.preload) as sandbox:
            yield sandbox

    @pytest.fixture(autouse=True)
    def _corpora(self, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
        """One cache for all tests of this class."""
        monkeypatch.setenv("NIGHTSHIFT_HOME", str(Path(tmp_path_factory.getbasetemp()) / "curation-home"))

    def test_failing_where_state_would_show_is_no_way_out(
        self, domain: Curation, sandbox: Sandbox, tmp_path: Path
    ) -> None:
        first = domain.development().documents[0].text[:40]
        code = (
            "seen = []\ndef clean(text, metadata):\n    seen.append(text)\n"
            f"    if not seen[0].startswith({first!r}):\n        raise ValueError('another order')\n"
            "    return text if len(seen) % 2 else None\n"
        )
        assert rules.issues(code) == []
        result = domain.train(code, "explore", 0, sandbox, UriWorkspace(tmp_path.as_uri()))
        assert isinstance(result, Failure)
        assert result.kind == FailureKind.CRASH
