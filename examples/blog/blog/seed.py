"""Fills an empty blog with made-up posts: `python -m blog.seed --posts 3000`.

The same number of posts always gives the same texts and addresses.
A blog that holds a post or an author is left as it is.
"""

import argparse
import asyncio
import random
import secrets
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from blog import text
from blog.db import Database, DatabaseUnavailableError
from blog.passwords import hash_password
from blog.settings import DatabaseSettings, SettingsError, database_settings

AUTHOR = "admin"
#: Posts per INSERT: about 0.6 MB, well below max_allowed_packet, and little memory on a small host.
POSTS_PER_BATCH = 100
TAGS = tuple(Path(__file__).with_name("seed_tags.txt").read_text(encoding="ascii").splitlines())
PAGES = (
    ("about", "About", "This blog is an example. Its posts were made up by a program."),
    ("contact", "Contact", "Letters are welcome, and answered **slowly**."),
)
WORDS = tuple(Path(__file__).with_name("seed_words.txt").read_text(encoding="ascii").split())


class MadeUp(NamedTuple):
    """A post before it is stored; `published_at` in UTC."""

    title: str
    slug: str
    body: str
    published_at: datetime
    tags: tuple[int, ...]


def made_up_posts(count: int, newest_at: datetime, long_post_kib: int = 0) -> Iterator[MadeUp]:
    """Yield posts, the oldest first, each of 1 to 3 KB; the last is of `newest_at`.

    With `long_post_kib` one more comes before them, of that length: what a slow reader of it costs is worth a look.
    """
    source = random.Random(20240229)  # noqa: S311 - prose, not a secret
    if long_post_kib:
        bodies = iter(lambda: _body(source), "")
        body = "\n\n".join(islice(bodies, long_post_kib))[: long_post_kib * 1024].rstrip()
        yield MadeUp("A long post", "a-long-post", body, newest_at - timedelta(hours=7 * count), (0,))
    for number in range(1, count + 1):
        title = _capital(" ".join(source.choices(WORDS, k=source.randint(3, 7))))
        yield MadeUp(
            title=title,
            slug=f"{text.slugify(title)}-{number}",
            body=_body(source),
            published_at=newest_at - timedelta(hours=7 * (count - number)),
            tags=tuple(sorted(source.sample(range(len(TAGS)), k=source.randint(1, 4)))),
        )


async def seed(settings: DatabaseSettings, posts: int, password: str, long_post_kib: int = 0) -> bool:
    """Fill the blog in one transaction, so that a seed cut short leaves nothing behind.

    Returns:
        False if there were posts or authors already; then nothing was changed.
    """
    db = Database(settings)
    newest_at = datetime.now(UTC).replace(tzinfo=None, minute=0, second=0, microsecond=0)
    try:
        async with db.transaction() as transaction:
            # The lock makes two seeds at once wait for each other; it ends with the transaction's connection.
            await transaction.rows("SELECT GET_LOCK(%s, 60)", (f"{settings.name}.seed"[-64:],))
            if await transaction.rows("SELECT 1 FROM posts UNION ALL SELECT 1 FROM users LIMIT 1"):
                return False
            await transaction.execute(
                "INSERT INTO users (name, password_hash) VALUES (%s, %s)", (AUTHOR, hash_password(password))
            )
            await transaction.execute_many(
                "INSERT INTO tags (id, slug, name) VALUES (%s, %s, %s)",
                [(number, text.slugify(name), name) for number, name in enumerate(TAGS, 1)],
            )
            await transaction.execute_many(
                "INSERT INTO pages (slug, title, body_html, position) VALUES (%s, %s, %s, %s)",
                [(slug, title, text.to_html(body), number) for number, (slug, title, body) in enumerate(PAGES)],
            )
            first_id = 1
            stream = made_up_posts(posts, newest_at, long_post_kib)
            while batch := list(islice(stream, POSTS_PER_BATCH)):
                await transaction.execute_many(
                    "INSERT INTO posts (id, slug, title, excerpt, body, body_html, published_at, updated_at) "
                    "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                    [
                        (
                            first_id + index,
                            post.slug,
                            post.title,
                            text.excerpt(post.body),
                            post.body,
                            text.to_html(post.body),
                            post.published_at,
                            post.published_at,
                        )
                        for index, post in enumerate(batch)
                    ],
                )
                await transaction.execute_many(
                    "INSERT INTO post_tags (post_id, tag_id, published_at) VALUES (%s, %s, %s)",
                    [
                        (first_id + index, tag + 1, post.published_at)
                        for index, post in enumerate(batch)
                        for tag in post.tags
                    ],
                )
                first_id += len(batch)
        return True
    finally:
        db.close()


def main() -> int:
    """Run the command; 0 done or nothing to do, 1 not possible."""
    parser = argparse.ArgumentParser(prog="blog.seed", description="Fill an empty blog with made-up posts.")
    parser.add_argument("--posts", type=int, default=3000, help="how many, 1 to 100000 (default: 3000)")
    parser.add_argument(
        "--admin-password-file",
        type=Path,
        help="holds the author's password (default: one is made up and printed)",
    )
    parser.add_argument("--long-post-kib", type=int, default=0, help="one post more, so long, 0 to 1000 (default: 0)")
    options = parser.parse_args()
    if not 1 <= options.posts <= 100_000:
        parser.error("--posts must be 1 to 100000")
    if not 0 <= options.long_post_kib <= 1000:
        parser.error("--long-post-kib must be 0 to 1000")
    try:
        password = _password(options.admin_password_file)
        is_new = asyncio.run(seed(database_settings(), options.posts, password, options.long_post_kib))
    except (SettingsError, DatabaseUnavailableError, OSError) as error:
        sys.stderr.write(f"seed: {error}\n")
        return 1
    if not is_new:
        sys.stdout.write("seed: nothing to do, the blog is not empty\n")
        return 0
    sys.stdout.write(f"seed: {options.posts} posts, {len(TAGS)} tags, {len(PAGES)} pages, author {AUTHOR!r}\n")
    if not options.admin_password_file:
        sys.stdout.write(f"seed: password of {AUTHOR!r}, shown only here: {password}\n")
    return 0


def _password(file: Path | None) -> str:
    if file is None:
        return secrets.token_urlsafe(15)
    password = file.read_text(encoding="utf-8").rstrip("\r\n")
    if not password:
        raise SettingsError(f"{file} is empty")
    return password


def _body(source: random.Random) -> str:
    wanted = source.randint(1000, 3000)
    blocks: list[str] = []
    length = 0
    while length < wanted:
        block = " ".join(_sentence(source) for _ in range(source.randint(2, 5)))
        kind = source.random()
        if kind < 0.1:
            block = f"## {_capital(' '.join(source.choices(WORDS, k=4)))}\n{block}"
        elif kind < 0.2:
            block = "\n".join(f"- {_sentence(source)}" for _ in range(4))
        elif kind < 0.3:
            block = f"**{_sentence(source)}** {block}"
        blocks.append(block)
        length += len(block) + 2
    return "\n\n".join(blocks)[:3072].rstrip()


def _sentence(source: random.Random) -> str:
    words = source.choices(WORDS, k=source.randint(6, 14))
    return _capital(" ".join(words)) + "."


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]


if __name__ == "__main__":
    sys.exit(main())
