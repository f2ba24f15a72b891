"""What authors write becomes HTML that holds no tag of theirs."""

import re

import pytest
from blog.text import EXCERPT_CHARACTERS, excerpt, slugify, to_html
from hypothesis import given, strategies as st

OURS = re.compile(r'</?(?:p|h2|h3|ul|li|strong|em|code|a)>|<a href="(?:https?://|/)[^"<>]*">')


def test_marks() -> None:
    source = "## Head & more\nText **bold** and *soft*.\n\n- one\n- `a*b*c`\n\n[site](https://example.org/?a=1&b=2)"
    assert to_html(source) == (
        "<h2>Head &amp; more</h2>\n<p>Text <strong>bold</strong> and <em>soft</em>.</p>\n"
        "<ul><li>one</li><li><code>a*b*c</code></li></ul>\n"
        '<p><a href="https://example.org/?a=1&amp;b=2">site</a></p>'
    )


@given(st.text(alphabet=st.sampled_from("ab<>&\"'*`[]()#-/:\n htpsjv"), max_size=200))
def test_no_input_yields_a_tag_of_its_own(source: str) -> None:
    rest = OURS.sub("", to_html(source))
    assert "<" not in rest
    assert ">" not in rest


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", '/"onclick="x'])
def test_dangerous_address_is_no_link(address: str) -> None:
    assert "<a" not in to_html(f"[x]({address})")


def test_excerpt_is_plain_and_short() -> None:
    assert excerpt("## Head\n\n**bold** [link](/x)") == "Head bold link"
    long = excerpt("word " * 200)
    assert long.endswith("word…")
    assert len(long) <= EXCERPT_CHARACTERS


@pytest.mark.parametrize(
    ("title", "slug"),
    [("Ein schöner Tag!", "ein-schoner-tag"), ("  --  ", "post"), ("日本", "post"), ("A" * 300, "a" * 100)],
)
def test_slug(title: str, slug: str) -> None:
    assert slugify(title) == slug
