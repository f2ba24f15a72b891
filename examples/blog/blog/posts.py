"""Every statement that reads for visitors, each answered from an index in order: the server sorts nothing."""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from blog.db import Database

POSTS_PER_PAGE = 10
TITLES_PER_PAGE = 50
#: Pages beyond this do not exist: OFFSET walks over all that it skips.
LAST_PAGE = 200
#: Seconds for which a worker remembers the menu; a new page shows that much later.
MENU_LIFETIME_S = 30.0

# The index is named: after many inserts the server's statistics are stale, and it would read and sort all.
NEWEST = (
    "SELECT id, slug, title, excerpt, published_at FROM posts FORCE INDEX (posts_published) "
    "WHERE published_at <= UTC_TIMESTAMP() ORDER BY published_at DESC, id DESC LIMIT %s"
)
# What OFFSET skips is skipped within the index; only the titles to show are looked up, and ordered by us.
TITLES = (
    "SELECT p.id, p.slug, p.title, '', p.published_at FROM "
    "(SELECT id FROM posts FORCE INDEX (posts_published) WHERE published_at <= UTC_TIMESTAMP() "
    "ORDER BY published_at DESC, id DESC LIMIT %s OFFSET %s) newest "
    "STRAIGHT_JOIN posts p ON p.id = newest.id"
)
TAGGED = (
    "SELECT p.id, p.slug, p.title, p.excerpt, p.published_at FROM post_tags pt "
    "FORCE INDEX (post_tags_newest) STRAIGHT_JOIN posts p ON p.id = pt.post_id "
    "WHERE pt.tag_id = %s AND pt.published_at <= UTC_TIMESTAMP() "
    "ORDER BY pt.published_at DESC, pt.post_id DESC LIMIT %s OFFSET %s"
)
TAG = "SELECT id, slug, name FROM tags WHERE slug = %s"
POST = (
    "SELECT id, slug, title, excerpt, body_html, published_at, updated_at FROM posts "
    "WHERE slug = %s AND published_at <= UTC_TIMESTAMP()"
)
TAGS_OF = (
    "SELECT pt.post_id, t.slug, t.name FROM post_tags pt STRAIGHT_JOIN tags t ON t.id = pt.tag_id "
    "WHERE pt.post_id IN ({})"
)
ALL_TAGS = "SELECT id, slug, name FROM tags FORCE INDEX (tags_slug) ORDER BY slug LIMIT 500"
PAGE = "SELECT slug, title, body_html FROM pages WHERE slug = %s"
MENU = "SELECT slug, title FROM pages FORCE INDEX (pages_position) ORDER BY position, id LIMIT 20"
SITEMAP = (
    "SELECT slug, published_at FROM posts FORCE INDEX (posts_published) "
    "WHERE published_at <= UTC_TIMESTAMP() ORDER BY published_at DESC LIMIT 5000"
)


class Tag(NamedTuple):
    """A subject that posts are filed under."""

    slug: str
    name: str


class Card(NamedTuple):
    """A post in a list."""

    id: int
    slug: str
    title: str
    excerpt: str
    published_at: datetime


class Post(NamedTuple):
    """A post in full; dates in UTC."""

    id: int
    slug: str
    title: str
    excerpt: str
    body_html: str
    published_at: datetime
    updated_at: datetime


class Page(NamedTuple):
    """A page outside the stream of posts, such as "About"."""

    slug: str
    title: str
    body_html: str


class Listing(NamedTuple):
    """One page of a list, and whether an older one follows."""

    cards: list[Card]
    tags: dict[int, list[Tag]]
    number: int
    has_older: bool


async def newest(db: Database, limit: int = POSTS_PER_PAGE) -> Listing:
    """Return the newest posts with their tags: two statements."""
    cards = [Card._make(row) for row in await db.rows(NEWEST, (limit + 1,))]
    has_older = len(cards) > limit
    del cards[limit:]
    return Listing(cards, await tags_of(db, [card.id for card in cards]), 1, has_older)


async def titles(db: Database, number: int) -> Listing:
    """Return page `number` (1 to 200) of the archive: one statement."""
    rows = await db.rows(TITLES, (TITLES_PER_PAGE + 1, (number - 1) * TITLES_PER_PAGE))
    cards = sorted(map(Card._make, rows), key=lambda card: (card.published_at, card.id), reverse=True)
    return _listing(cards, number, TITLES_PER_PAGE)


async def tagged(db: Database, slug: str, number: int) -> tuple[Tag, Listing] | None:
    """Return a tag and page `number` (1 to 200) of its posts: two statements; None for an unknown tag."""
    tag = await db.row(TAG, (slug,))
    if tag is None:
        return None
    rows = await db.rows(TAGGED, (tag[0], POSTS_PER_PAGE + 1, (number - 1) * POSTS_PER_PAGE))
    return Tag(tag[1], tag[2]), _listing([Card._make(row) for row in rows], number, POSTS_PER_PAGE)


async def post(db: Database, slug: str) -> tuple[Post, list[Tag]] | None:
    """Return a published post and its tags: two statements; None if there is none."""
    row = await db.row(POST, (slug,))
    if row is None:
        return None
    found = Post._make(row)
    return found, (await tags_of(db, [found.id])).get(found.id, [])


async def tags_of(db: Database, post_ids: Sequence[int]) -> dict[int, list[Tag]]:
    """Return each post's tags in the order of their names: one statement."""
    if not post_ids:
        return {}
    found: dict[int, list[Tag]] = {}
    statement = TAGS_OF.format(",".join(["%s"] * len(post_ids)))
    for post_id, slug, name in await db.rows(statement, tuple(post_ids)):
        found.setdefault(post_id, []).append(Tag(slug, name))
    for tags in found.values():
        tags.sort(key=lambda tag: tag.name)
    return found


async def all_tags(db: Database) -> list[Tag]:
    """Return up to 500 tags."""
    return [Tag(slug, name) for _, slug, name in await db.rows(ALL_TAGS)]


async def page(db: Database, slug: str) -> Page | None:
    """Return a page, or None."""
    row = await db.row(PAGE, (slug,))
    return None if row is None else Page._make(row)


async def sitemap(db: Database) -> list[tuple[str, datetime]]:
    """Return slug and date of the newest 5000 posts."""
    return [(slug, published_at) for slug, published_at in await db.rows(SITEMAP)]


class Menu:
    """The pages' links, read again at most every 30 s: they stand on every page and change once a year."""

    def __init__(self) -> None:
        self._entries: list[Tag] = []
        self._stale_at = 0.0

    async def entries(self, db: Database) -> list[Tag]:
        """Return the links; what is remembered serves while a newer version is unknown."""
        now = time.monotonic()
        if now >= self._stale_at:
            self._stale_at = now + MENU_LIFETIME_S  # before the statement: one visitor reads, the others go on
            try:
                self._entries = [Tag(slug, title) for slug, title in await db.rows(MENU)]
            except BaseException:
                self._stale_at = 0.0
                raise
        return self._entries


def _listing(cards: list[Card], number: int, size: int) -> Listing:
    has_older = len(cards) > size and number < LAST_PAGE
    return Listing(cards[:size], {}, number, has_older)
