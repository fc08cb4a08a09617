import io

import pytest
from rich.console import Console

from flows.terminal import safe


@pytest.mark.parametrize("hostile", ["\x1b[2J", "\x1b]0;owned\x07", "\x9b31m", "\u202etxt", "a\rb", "\x08\x08"])
def test_control_sequences_do_not_reach_the_terminal(hostile: str) -> None:
    screen = io.StringIO()
    Console(file=screen, force_terminal=False).print(safe(hostile))
    assert not any(ord(sign) < 32 and sign not in "\n\t" for sign in screen.getvalue())
    assert "\u202e" not in screen.getvalue()
    assert "\x9b" not in screen.getvalue()


def test_markup_is_shown_and_not_obeyed() -> None:
    screen = io.StringIO()
    Console(file=screen).print(safe("[red]text[/]"))
    assert screen.getvalue() == "[red]text[/]\n"
