"""The development families: web noise that every strategy is scored on in every round (fitness).

Their wordings are in the open; blocks and references were written with them in view. What a strategy is worth beyond
them is measured on other families (hidden.py).
"""

from __future__ import annotations

import re
from random import Random

from curation.corpus.document import Draft, Family, Recipe

PEOPLE = ("Jane Miller", "Omar Haddad", "Li Wei", "Anna Kowalska", "Peter Schmidt", "Maria Rossi", "John Carter")
HOSTS = ("example-mail.com", "webpost.net", "uni-north.edu", "datahub.org", "inboxly.io")
MENUS = (
    "Home | Products | Documentation | Support | Contact",
    "Home > Tutorials > Reference > {topic}",
    "Skip to main content",
    "Main menu",
    "Previous | Up | Next",
    "Log in | Register | Forgot password?",
    "Search this site",
    "Back to top",
    "About us | Careers | Press | Blog",
)
COOKIES = (
    "This website uses cookies to improve your experience. By continuing you accept our cookie policy.",
    "We use cookies to personalise content and ads. Accept all cookies | Reject",
    "Accept cookies",
    "By using this site you agree to our Terms of Use and Privacy Policy.",
)
SHARING = (
    "Share on Facebook | Share on Twitter | Share on LinkedIn",
    "Share this:",
    "Like this: Like Loading...",
    "12 comments",
    "Leave a comment",
    "Tweet this article",
    "Posted in Uncategorized | Tagged {topic}",
)
SELLING = (
    "Subscribe to our newsletter and get 20% off your first order!",
    "Click here to download the free e-book now!!!",
    "Buy cheap {topic} software online - best price guaranteed",
    "Advertisement",
    "Sponsored content",
    "Limited time offer: sign up today and save $50!",
    "Related articles: 10 tricks that {topic} experts do not tell you",
)
FOOTERS = (
    "Copyright © 2019 {topic} Online. All rights reserved.",
    "© 2021 All Rights Reserved | Terms | Privacy | Sitemap",
    "Powered by WordPress | Theme by Studio Nine",
    "Last updated: 12 March 2018",
    "Print this page | E-mail this page",
)
SCRIPTS = (
    "<script type=\"text/javascript\">var s = document.createElement('script'); s.async = true;</script>",
    "<style>.content { margin: 0 auto; width: 960px; }</style>",
    "<!-- begin sidebar widget -->",
    '<iframe src="https://ads.webpost.net/frame?id=3381" width="300"></iframe>',
    '<img src="/images/banner_{topic}.gif" alt="banner" />',
    "function trackClick(e) { ga('send', 'event', 'link', e.target.href); return true; }",
)
TOPICS = ("python", "statistics", "science", "coding", "math", "engineering", "network", "data")


def tags(draft: Draft, rng: Random) -> None:
    """Paragraph and inline tags around and inside real lines, entities in place of signs."""
    for place in draft.clean_places(1):
        line = draft.lines[place]
        text = line.text.replace("&", "&amp;").replace('"', "&quot;").replace("'", "&#39;")
        if rng.random() < 0.35:
            name = rng.choice(("p", 'div class="text"', "li", "td", 'span style="color:#333"'))
            text = f"<{name}>{text}</{name.partition(' ')[0]}>"
        words = text.split(" ")
        if len(words) > 4 and rng.random() < 0.35:
            at, name = rng.randrange(1, len(words)), rng.choice(("b", "em", "strong", 'a href="/wiki/page"', "i"))
            words[at] = f"<{name}>{words[at]}</{name.partition(' ')[0]}>"
        text = " ".join(words)
        line.text = re.sub(r"  +", lambda run: "&nbsp;" * len(run[0]), text) if rng.random() < 0.2 else text
        if rng.random() < 0.15:
            line.text += "<br />"


def scripts(draft: Draft, rng: Random) -> None:
    """Scripts, styles, comments, frames and images on lines of their own."""
    _scatter(draft, rng, SCRIPTS, 1, 4)


def menus(draft: Draft, rng: Random) -> None:
    """Navigation before and after the text."""
    _edges(draft, rng, MENUS, 2, 5)


def cookies(draft: Draft, rng: Random) -> None:
    """A consent banner."""
    _edges(draft, rng, COOKIES, 1, 2)


def sharing(draft: Draft, rng: Random) -> None:
    """Buttons and counters of social networks."""
    _edges(draft, rng, SHARING, 1, 4)


def selling(draft: Draft, rng: Random) -> None:
    """Advertisements between real lines."""
    _scatter(draft, rng, SELLING, 1, 4)


def footers(draft: Draft, rng: Random) -> None:
    """Copyright and page footers."""
    draft.insert(len(draft.lines), *(_filled(text, rng) for text in rng.sample(FOOTERS, rng.randint(1, 3))))


def mojibake(draft: Draft, rng: Random) -> None:
    """Typographic signs and accents of real lines, read in the wrong code page."""
    for place in draft.clean_places(1):
        line = draft.lines[place]
        text = line.text.replace("'", "’").replace(" -- ", " — ").replace('"', "”")
        if rng.random() < 0.3:
            text = re.sub(r"\b(resume|naive|facade|cafe|role)\b", lambda m: m[0].replace("e", "é"), text)
        try:
            line.text = text.encode("utf-8").decode("cp1252")
        except UnicodeDecodeError:  # a few bytes are nothing in cp1252
            line.text = text.encode("utf-8").decode("latin-1")


def invisible(draft: Draft, rng: Random) -> None:
    """Soft hyphens, zero-width and control characters inside real words; trailing blanks."""
    for place in draft.clean_places(1):
        line = draft.lines[place]
        words = line.text.split(" ")
        for at, word in enumerate(words):
            if len(word) > 6 and rng.random() < 0.08:
                middle = len(word) // 2
                words[at] = word[:middle] + rng.choice(("\xad", "\u200b", "\ufeff")) + word[middle:]
        line.text = " ".join(words) + rng.choice(("", "", "   ", "\t", "\x0c", "\xa0"))


def private_lines(draft: Draft, rng: Random) -> None:
    """Lines with somebody's name, e-mail address or telephone number."""
    for _ in range(rng.randint(1, 3)):
        who, address, phone = _person(rng)
        line = rng.choice((
            f"Contact: {who}, {address}",
            f"Author: {who} <{address}>",
            f"Tel: {phone}",
            f"For questions write to {address} or call {phone}.",
        ))  # fmt: skip
        draft.private += [part for part in (address, phone) if part in line]
        draft.insert(rng.choice((0, len(draft.lines))), line)


def private_inline(draft: Draft, rng: Random) -> None:
    """E-mail addresses and telephone numbers inside real lines."""
    for place in _some(draft, rng, 1, 2):
        _, address, phone = _person(rng)
        extra = rng.choice((address, phone))
        draft.private.append(extra)
        line = draft.lines[place]
        at = line.text.find(" ", len(line.text) // 2)
        line.text = f"{line.text[:at]} {extra}{line.text[at:]}" if at >= 0 else f"{line.text} {extra}"


def repeats(draft: Draft, rng: Random) -> None:
    """Real lines that stand there twice, or a paragraph that does."""
    for place in _some(draft, rng, 1, 3):
        draft.insert(place + 1, *[draft.lines[place].text] * rng.randint(1, 2))
    if rng.random() < 0.5:
        shown = [line.text for line in draft.lines if line.truth is not None][: rng.randint(3, 8)]
        draft.insert(len(draft.lines), "", *shown)


def junk(rng: Random) -> str:
    """A page without any text worth keeping."""
    lines = list(rng.sample(MENUS + COOKIES + SHARING + SELLING, rng.randint(8, 14)))
    if rng.random() < 0.5:
        words = [rng.choice(TOPICS) + rng.choice(("", " online", " cheap", " free", " download")) for _ in range(60)]
        lines.insert(0, ", ".join(words))
    if rng.random() < 0.3:
        lines.append("".join(rng.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(200)))
    return "\n".join(_filled(line, rng) for line in lines + rng.sample(FOOTERS, 2))


FAMILIES: dict[str, Family] = {
    each.__name__: each
    for each in (
        tags, scripts, menus, cookies, sharing, selling, footers, mojibake, invisible, private_lines, private_inline,
        repeats,
    )
}  # fmt: skip
DEVELOPMENT = Recipe(FAMILIES, junk)


def _person(rng: Random) -> tuple[str, str, str]:
    who = rng.choice(PEOPLE)
    address = f"{who.split()[0].lower()}.{who.split()[1].lower()}{rng.randint(1, 99)}@{rng.choice(HOSTS)}"
    a, b, c = rng.randint(201, 989), rng.randint(200, 999), rng.randint(1000, 9999)
    return who, address, rng.choice((f"+1 {a}-{b}-{c}", f"({a}) {b}-{c}", f"{a}-{b}-{c}"))


def _filled(text: str, rng: Random) -> str:
    return text.replace("{topic}", rng.choice(TOPICS))


def _some(draft: Draft, rng: Random, low: int, high: int) -> list[int]:
    """A few real lines, the last first, so that inserting behind one moves none of the others."""
    places = draft.clean_places()
    return sorted(rng.sample(places, min(len(places), rng.randint(low, high))), reverse=True)


def _scatter(draft: Draft, rng: Random, wordings: tuple[str, ...], low: int, high: int) -> None:
    for text in rng.sample(wordings, min(len(wordings), rng.randint(low, high))):
        draft.insert(rng.randint(0, len(draft.lines)), _filled(text, rng))


def _edges(draft: Draft, rng: Random, wordings: tuple[str, ...], low: int, high: int) -> None:
    for text in rng.sample(wordings, min(len(wordings), rng.randint(low, high))):
        draft.insert(rng.choice((0, 0, len(draft.lines))), _filled(text, rng))
