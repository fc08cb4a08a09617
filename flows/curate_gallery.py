"""`nightshift curate gallery`: a page that shows what a strategy does to documents, for a person to approve.

The strategy runs in the sandbox. What decides anything is in curation/gallery; this finds programs, writes and prints.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from flows import output
from flows.config import ConfigError
from flows.curate_strategy import Strategy, checked, sandbox_in
from flows.home import open_home
from flows.output import JsonFlag
from flows.programs import named


def gallery(
    strategy: Strategy,
    source: Annotated[str, typer.Option("--in", help="A folder or file as for apply, or: development")],
    out: Annotated[Path, typer.Option("--out", help="The HTML file to write")],
    documents: Annotated[int, typer.Option(min=1, max=2000, help="How many documents to show")] = 100,
    seed: Annotated[int, typer.Option(help="Which documents are drawn")] = 0,
    text_column: Annotated[str, typer.Option(help="The column that holds the text")] = "text",
    id_column: Annotated[str, typer.Option(help="The column that names the document")] = "id",
    unsafe_no_sandbox: Annotated[bool, typer.Option(help="Run the strategy without isolation")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Write one HTML file: original and cleaned side by side, with what each rule removed."""
    from curation.scale.apply import need_datatrove

    need_datatrove()
    if out.is_dir():
        raise ConfigError(f"--out {out}: expected the name of a file, such as page.html")
    home = open_home()
    code = named(home.archive_url, strategy, "curation").code
    opener = partial(sandbox_in, str(home.scratch), unsafe_no_sandbox)
    steps = checked(code, opener)
    sample = _sample(source, documents, seed, text_column, id_column)
    text, counts = _page(Path(strategy).stem, source, code, steps, sample, opener)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(out)
    output.present({"page": str(out), "documents": len(sample.names), "outcomes": counts}, as_json, _print)


def _sample(source: str, documents: int, seed: int, text_column: str, id_column: str) -> Any:
    from curation.gallery import sample
    from curation.scale.apply import ApplyError

    if source == sample.CORPUS and not Path(source).exists():
        return sample.of_corpus(documents, seed)
    try:
        found = sample.of_files(Path(source), documents, seed, text_column, id_column)
    except ApplyError as error:
        raise ConfigError(str(error)) from error
    if not found.names:
        raise ConfigError(f"{source}: none of the documents could be read ({found.unreadable} faults)")
    return found


def _page(name: str, source: str, code: str, steps: Any, sample: Any, opener: Any) -> tuple[str, dict[str, int]]:
    from curation.cleaning import Allowance, Fault
    from curation.gallery.outcome import seen
    from curation.gallery.page import About, Shown, page
    from curation.gallery.spans import compared
    from curation.gallery.trace import traced
    from curation.strategy import strategy_hash

    with opener() as sandbox:
        ways = traced(code, steps, sample.sources, sandbox, Allowance(document_cpu_s=5.0, cpu_s=600.0))
    shown = []
    for document, source_of, way in zip(sample.names, sample.sources, ways, strict=True):
        labels = " ".join(str(source_of.metadata[key]) for key in ("category", "quality") if key in source_of.metadata)
        found = compared(way.original, way.stages if not isinstance(way.cleaned, Fault) else ())
        after = len(way.cleaned) if isinstance(way.cleaned, str) else 0
        shown.append(Shown(document, labels, seen(way.original, way.cleaned), found, (len(way.original), after)))
    remarks = f"{len(shown)} of {sample.seen:,} documents, drawn at random"
    remarks += f"; {sample.unreadable} could not be read" if sample.unreadable else ""
    about = About(name, strategy_hash(code), source, remarks, code)
    return page(about, shown), dict(Counter(one.seen.outcome for one in shown))


def _print(console: Console, report: dict[str, Any]) -> None:
    counts = ", ".join(f"{count} {name}" for name, count in report["outcomes"].items())
    console.print(f"{report['page']}: {report['documents']} documents ({counts})", soft_wrap=True)
    console.print("Open it in a browser; decisions stay there, and `export JSON` saves them as a file.")
