"""Turns what an author writes into safe HTML: a few signs of Markdown, everything else escaped."""

import html
import re
import unicodedata

EXCERPT_CHARACTERS = 280
_LINK = re.compile(r"\[([^\]\n]+)\]\((https?://[^\s()\"'<>]+|/[^\s()\"'<>]*)\)")
_STRONG = re.compile(r"\*\*([^*\n]+)\*\*")
_EMPHASIS = re.compile(r"(?<![\w*])\*([^*\n]+)\*(?![\w*])")
_CODE = re.compile(r"`([^`\n]+)`")
_MARKS = re.compile(r"^#{2,3} |^- |\*\*|`", re.MULTILINE)


def to_html(source: str) -> str:
    """Render paragraphs, `## ` and `### ` headings, `- ` lists, code, emphasis and links.

    The text is escaped before any mark is looked for, so no input yields a tag of its own.
    """
    blocks = re.split(r"\n\s*\n", source.replace("\r\n", "\n").strip())
    return "\n".join(_block(block) for block in blocks if block.strip())


def excerpt(source: str) -> str:
    """Return the first words as plain text, at most 280 characters."""
    plain = " ".join(_MARKS.sub("", _LINK.sub(r"\1", source)).split())
    if len(plain) <= EXCERPT_CHARACTERS:
        return plain
    return plain[: EXCERPT_CHARACTERS - 1].rsplit(" ", 1)[0] + "…"


def slugify(title: str) -> str:
    """Return lower-case ASCII letters, digits and single dashes, at most 100; "post" if nothing remains."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:100].strip("-") or "post"


def _block(block: str) -> str:
    lines = [line.rstrip() for line in block.splitlines()]
    for mark, tag in (("### ", "h3"), ("## ", "h2")):
        if lines[0].startswith(mark):
            heading = f"<{tag}>{_inline(lines[0][len(mark) :])}</{tag}>"
            return heading + ("\n" + _block("\n".join(lines[1:])) if lines[1:] else "")
    if all(line.startswith("- ") for line in lines):
        return "<ul>" + "".join(f"<li>{_inline(line[2:])}</li>" for line in lines) + "</ul>"
    return f"<p>{_inline(' '.join(lines))}</p>"


def _inline(text: str) -> str:
    escaped = html.escape(text, quote=False)
    parts = _CODE.split(escaped)  # odd parts stand between back-ticks and are left alone
    for index, part in enumerate(parts):
        if index % 2:
            parts[index] = f"<code>{part}</code>"
        else:
            linked = _LINK.sub(r'<a href="\2">\1</a>', part)
            parts[index] = _EMPHASIS.sub(r"<em>\1</em>", _STRONG.sub(r"<strong>\1</strong>", linked))
    return "".join(parts)
