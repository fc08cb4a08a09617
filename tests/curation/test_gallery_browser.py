"""The gallery in Debian's chromium: filters, decisions that stay, the file that is saved, and a policy that holds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from curation.gallery.page import About, page
from curation.gallery.trace import Stage
from tests.curation.test_gallery import HOSTILE, shown

pytestmark = pytest.mark.browser
CHROMIUM = shutil.which("chromium")


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("there is no chromium here")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        opened = play.chromium.launch_persistent_context(
            str(tmp_path / "profile"), executable_path=CHROMIUM, args=["--no-sandbox"], accept_downloads=True
        )
        yield opened
        opened.close()


def test_a_person_decides_and_the_decisions_stay(context: Any, tmp_path: Path) -> None:
    documents = [
        shown("a", f"<b>{HOSTILE}", Stage("markup", HOSTILE)),
        shown("b", "nothing odd here"),
        shown("c", "gone", Stage("worth", None)),
    ]
    (tmp_path / "page.html").write_text(page(About("s", "hash", "in", "", "code"), documents), encoding="utf-8")
    view, said = context.new_page(), []
    view.on("console", lambda message: said.append(message.text))
    view.on("dialog", lambda dialog: said.append("a dialog"))
    view.goto((tmp_path / "page.html").as_uri())
    assert view.locator("article:visible").count() == 3
    view.locator("[data-filter=changed]").click()
    assert view.locator("article:visible").count() == 1
    view.locator("[data-filter=all]").click()
    view.locator("article .approve").nth(0).click()
    view.keyboard.press("j")
    view.keyboard.press("j")
    view.keyboard.press("r")
    assert view.locator("#approved b").inner_text() == "1"
    view.reload()
    view.locator("[data-filter=rejected]").click()
    assert view.locator("article:visible").get_attribute("data-name") == "b"
    with view.expect_download() as waiting:
        view.locator("#export").click()
    content = json.loads(Path(waiting.value.path()).read_text())
    assert content["strategy"] == "hash"
    decisions = [(each["document"], each["outcome"], each["decision"]) for each in content["documents"]]
    assert decisions == [("a", "changed", "approved"), ("b", "unchanged", "rejected"), ("c", "dropped", None)]
    view.evaluate("document.querySelector('.text').innerHTML = '<img src=x onerror=alert(1)>'")
    view.wait_for_timeout(200)
    assert "a dialog" not in said
    assert any("Content Security Policy" in text for text in said)
