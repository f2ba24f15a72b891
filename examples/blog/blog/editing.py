"""Every statement that the administration needs: users, and posts with drafts, for reading and writing."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from asyncmy.errors import IntegrityError

from blog import text
from blog.db import Database, Transaction

DRAFTS_AND_POSTS = "SELECT id, slug, title, published_at FROM posts ORDER BY id DESC LIMIT %s OFFSET %s"
ROWS_PER_PAGE = 50


class TakenError(Exception):
    """Another post has this slug."""


class User(NamedTuple):
    """Someone who may log in."""

    id: int
    password_hash: str
    session_epoch: int


class Draft(NamedTuple):
    """A post as its author edits it; `published_at` in UTC, None for a draft; tags by name."""

    title: str
    slug: str
    body: str
    published_at: datetime | None
    tags: tuple[str, ...] = ()


async def user_named(db: Database, name: str) -> User | None:
    """Find a user by name."""
    if not name.isascii():
        return None  # the column is ASCII, and a comparison with anything else is an error there
    row = await db.row("SELECT id, password_hash, session_epoch FROM users WHERE name = %s", (name,))
    return None if row is None else User._make(row)


async def is_epoch_of(db: Database, user_id: int, epoch: int) -> bool:
    """Tell whether a session begun in `epoch` still holds."""
    return await db.row("SELECT session_epoch FROM users WHERE id = %s", (user_id,)) == (epoch,)


async def end_sessions(db: Database, user_id: int) -> None:
    """End all sessions of a user."""
    async with db.transaction() as transaction:
        await transaction.execute("UPDATE users SET session_epoch = session_epoch + 1 WHERE id = %s", (user_id,))


async def all_posts(db: Database, number: int) -> list[tuple[int, str, str, datetime | None]]:
    """Return a page of posts and drafts, newest first."""
    rows = await db.rows(DRAFTS_AND_POSTS, (ROWS_PER_PAGE, (number - 1) * ROWS_PER_PAGE))
    return [(post_id, slug, title, published_at) for post_id, slug, title, published_at in rows]


async def draft(db: Database, post_id: int) -> Draft | None:
    """Return a post for editing."""
    row = await db.row("SELECT title, slug, body, published_at FROM posts WHERE id = %s", (post_id,))
    if row is None:
        return None
    names = await db.rows(
        "SELECT t.name FROM post_tags pt JOIN tags t ON t.id = pt.tag_id WHERE pt.post_id = %s", (post_id,)
    )
    title, slug, body, published_at = row
    return Draft(title, slug, body, published_at, tuple(sorted(name for (name,) in names)))


async def save(db: Database, content: Draft, post_id: int | None) -> int:
    """Create (`post_id` None) or replace a post with its tags, as a whole or not at all; return its id.

    Raises:
        TakenError: Another post has this slug.
    """
    columns = (
        content.slug,
        content.title,
        text.excerpt(content.body),
        content.body,
        text.to_html(content.body),
        content.published_at,
    )
    try:
        async with db.transaction() as transaction:
            if post_id is None:
                post_id = await transaction.execute(
                    "INSERT INTO posts (slug, title, excerpt, body, body_html, published_at, updated_at) "
                    "VALUES (%s, %s, %s, %s, %s, %s, UTC_TIMESTAMP())",
                    columns,
                )
            else:
                await transaction.execute(
                    "UPDATE posts SET slug = %s, title = %s, excerpt = %s, body = %s, body_html = %s, "
                    "published_at = %s, updated_at = UTC_TIMESTAMP() WHERE id = %s",
                    (*columns, post_id),
                )
                await transaction.execute("DELETE FROM post_tags WHERE post_id = %s", (post_id,))
            for tag_id in await tag_ids(transaction, content.tags):
                await transaction.execute(
                    "INSERT INTO post_tags (post_id, tag_id, published_at) VALUES (%s, %s, %s)",
                    (post_id, tag_id, content.published_at),
                )
    except IntegrityError as error:
        raise TakenError from error
    return post_id


async def delete(db: Database, post_id: int) -> None:
    """Delete a post and what files it under tags."""
    async with db.transaction() as transaction:
        await transaction.execute("DELETE FROM posts WHERE id = %s", (post_id,))


async def tag_ids(transaction: Transaction, names: Sequence[str]) -> list[int]:
    """Return the ids of tags, creating those that are new; names with one slug are one tag."""
    by_slug = {text.slugify(name): name for name in names}
    # In the order of slugs: two authors who lock the same new tags cannot wait for each other in a circle.
    return [
        await transaction.execute(
            "INSERT INTO tags (slug, name) VALUES (%s, %s) ON DUPLICATE KEY UPDATE id = LAST_INSERT_ID(id)",
            (slug, by_slug[slug]),
        )
        for slug in sorted(by_slug)
    ]
