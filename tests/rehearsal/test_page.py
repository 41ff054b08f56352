"""The HTML page: whole, by itself, and safe to open whatever the sample holds."""

from dataclasses import replace
from html.parser import HTMLParser

from rehearsal.difference import Change, Difference
from rehearsal.page import difference_page, page
from tests.rehearsal.samples import LINE, SPAN
from tests.rehearsal.test_screen import outcomes


class Balanced(HTMLParser):
    """Every tag is closed in its order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert not any(name in ("src", "href", "onload") for name, _ in attrs)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page_of_a_span() -> None:
    """Marked originals and results, the rules, and nothing that is loaded or runs."""
    html = page("redact_phi", outcomes(SPAN))
    parser = Balanced()
    parser.feed(html)
    assert parser.open == []
    assert not parser.tags & {"script", "link", "img", "iframe"}
    assert "<td>visit of <del>536-90-4399</del></td><td>visit of <ins>[ssn]</ins></td>" in html
    assert '<code>ssn</code> <span class="soft">mask · Span.name · Social Security number</span>' in html
    assert "The rules of <code>redact_phi</code> acted on 1 of 1 items." in html


def test_the_sample_is_no_markup() -> None:
    """What looks like HTML in a sample is text."""
    html = page("redact_phi", outcomes(f"<script>alert(1)</script> {LINE}"))
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; visit of" in html


def test_page_of_a_difference() -> None:
    """A table for each sort of change."""
    change = Change("span 1", "Span.name", "", "<b>", ("ssn", "mail"))
    html = difference_page(Difference([change], [], []))
    assert "<h2>Newly exposed: 1</h2>" in html
    assert "<td>span 1</td><td>Span.name</td><td><del>&lt;b&gt;</del></td><td>ssn, mail</td>" in html
    assert "<h2>Newly redacted: 0</h2>" in html


def test_what_fails_closed() -> None:
    """A dropped item says for which reason."""
    dropped = replace(outcomes(LINE)[0], after=None, acts=(), reasons=("redaction_failed",))
    assert "what cannot be redacted does not pass (redaction_failed)</p>" in page("redact_phi", [dropped])
