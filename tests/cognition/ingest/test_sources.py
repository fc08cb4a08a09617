"""What is named becomes text, or a refusal with its reason: files, folders, lists, arXiv; real parsers and HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest

from cognition.ingest import apart
from cognition.ingest.apart import ReadLimits
from cognition.ingest.documents import Document
from cognition.ingest.fetch import FetchRules
from cognition.ingest.refused import Refused
from cognition.ingest.sources import NotASource, Reader, Source, resolve
from tests.pages_server import ARTICLE, SCRIPTED, SENTENCES, Page, PagesServer
from tests.pdf_writer import pdf

LINES = [f"{SENTENCES[n % 4]}"[:95] for n in range(40)]


def read(source: Source, rules: FetchRules | None = None, max_pages: int = 200) -> Document:
    return Reader(rules, ReadLimits(max_pages=max_pages)).read(source)


def refusal(path: Path, max_pages: int = 200) -> str:
    with pytest.raises(Refused) as refused:
        read(Source("file", str(path)), max_pages=max_pages)
    return str(refused.value)


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("2603.29640", Source("arxiv", "2603.29640")),
        ("arXiv:2603.29640v2", Source("arxiv", "2603.29640v2")),
        ("https://arxiv.org/abs/2603.29640", Source("arxiv", "2603.29640")),
        ("https://arxiv.org/pdf/2603.29640v1.pdf", Source("arxiv", "2603.29640v1")),
        ("hep-th/9901001", Source("arxiv", "hep-th/9901001")),
        ("https://example.org/a", Source("url", "https://example.org/a")),
        ("no-such-file.pdf", NotASource),
    ],
)
def test_what_a_name_stands_for(named: str, expected: Source | type[NotASource]) -> None:
    (found,) = resolve(named)
    assert found == expected or (isinstance(expected, type) and isinstance(found, expected))


def test_a_folder_is_its_readable_files_and_the_entries_of_its_lists(tmp_path: Path) -> None:
    for name in ("b.md", "a.PDF", ".hidden.md", "data.csv", "sub/c.html", ".git/d.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "list.bib").write_text("@a{x, eprint={2401.00001}}\n@a{y, title={t}}")
    (tmp_path / "outside.md").symlink_to("/etc/hostname")
    found = list(resolve(str(tmp_path)))
    assert [each.place for each in found if isinstance(each, Source)] == [
        str(tmp_path / "a.PDF"),
        str(tmp_path / "b.md"),
        "2401.00001",
        str(tmp_path / "sub/c.html"),
    ]
    (bad,) = [each for each in found if isinstance(each, NotASource)]
    assert "nothing to fetch" in bad.reason
    (tmp_path / "empty").mkdir()
    (empty,) = resolve(str(tmp_path / "empty"))
    assert isinstance(empty, NotASource)


def test_html_is_read_without_its_frame(tmp_path: Path) -> None:
    document = read(Source("file", str(written(tmp_path / "a.html", ARTICLE.encode()))))
    assert document.title == "Gates that forget too soon"
    assert all(sentence in document.text for sentence in SENTENCES)
    assert "Imprint" not in document.text
    assert "What we measured" in [part.place for part in document.parts]


def test_a_pdf_is_read_page_by_page(tmp_path: Path) -> None:
    file = written(tmp_path / "a.pdf", pdf([LINES, LINES[:20]], "A title (of sorts)"))
    document = read(Source("file", str(file)))
    assert document.title == "A title (of sorts)"
    assert [part.place for part in document.parts] == ["page 1", "page 2"]
    assert LINES[0] in document.text


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    assert "seems to be a scan" in refusal(written(tmp_path / "scan.pdf", pdf([[]] * 3)))
    assert "has 500 pages; 200 are read at most" in refusal(written(tmp_path / "long.pdf", pdf([["x"]] * 500)))
    assert "has 3 pages; 2 are read" in refusal(written(tmp_path / "three.pdf", pdf([LINES] * 3)), max_pages=2)
    assert "loaded by scripts" in refusal(written(tmp_path / "app.html", SCRIPTED.encode()))
    assert "next to no text" in refusal(written(tmp_path / "bare.html", b"<html><body>Hi</body></html>"))
    assert "cannot be read" in refusal(written(tmp_path / "no.pdf", b"not a PDF at all"))
    assert "cannot be read" in refusal(written(tmp_path / "cut.pdf", pdf([LINES])[:300]))
    assert "not UTF-8" in refusal(written(tmp_path / "latin.md", "é".encode("latin-1") * 50))
    assert "empty" in refusal(written(tmp_path / "empty.md", b"  \n"))


def test_a_file_that_takes_too_much_ends_with_its_own_process(tmp_path: Path) -> None:
    content = pdf([LINES] * 150)
    with pytest.raises(Refused, match=r"0 s of CPU time|broke the parser"):
        apart.read("pdf", content, ReadLimits(cpu_s=0))
    with pytest.raises(Refused, match=r"MB|broke the parser"):
        apart.read("pdf", content, ReadLimits(memory_mb=20))


def test_the_reader_is_given_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        'import json, os; print(json.dumps({"title": "", "parts": [["", " ".join(sorted(os.environ))]]}))'
    )
    monkeypatch.setattr(apart, "READER", script)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert "OPENAI_API_KEY" not in apart.read("pdf", b"", ReadLimits()).parts[0].text


def test_arxiv_comes_as_html_or_else_as_pdf() -> None:
    paper = Page(pdf([LINES]), "application/pdf")
    with PagesServer(**{"html/2401.00001": Page(ARTICLE.encode()), "pdf/2401.00002": paper}) as server:
        rules = FetchRules(private_hosts=frozenset({"127.0.0.1"}), arxiv_url=server.url)
        assert read(Source("arxiv", "2401.00001"), rules).title == "Gates that forget too soon"
        assert read(Source("arxiv", "2401.00002"), rules).parts[0].place == "page 1"
        with pytest.raises(Refused, match=r"html: .*404; pdf: .*404"):
            read(Source("arxiv", "2401.00003"), rules)
        assert [path.replace("2401.0000", "") for path in server.asked] == [
            "/html/1",
            "/html/2",
            "/pdf/2",
            "/html/3",
            "/pdf/3",
        ]


def test_offline_nothing_is_fetched() -> None:
    with PagesServer() as server:
        with pytest.raises(Refused, match="--offline"):
            read(Source("url", f"{server.url}/article"))
        assert server.asked == []
