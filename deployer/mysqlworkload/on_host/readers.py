"""Runs on a host by itself: writes what clients ask of tune_bench, always the same, into the files that it is given.

Nineteen of twenty statements ask for the articles that everybody reads, the others for any; one of a hundred writes.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

ROWS, AUTHORS = 180_000, 2_000
POPULAR_ROWS, POPULAR_AUTHORS = ROWS // 5, AUTHORS // 5
STATEMENTS = 200_000


def write(path: Path, seed: int) -> None:
    """Write one client's statements."""
    random.seed(seed)
    with path.open("w") as file:
        for _ in range(STATEMENTS):
            is_popular, kind = random.random() < 0.95, random.random()
            article = random.randrange(POPULAR_ROWS if is_popular else ROWS - 100) + 1
            author = random.randrange(POPULAR_AUTHORS if is_popular else AUTHORS)
            if kind < 0.60:
                print("SELECT title, body FROM articles WHERE id =", article, ";", file=file)
            elif kind < 0.94:
                print("SELECT id, title FROM articles WHERE author =", author, end=" ", file=file)
                print("ORDER BY created DESC LIMIT 10;", file=file)
            elif kind < 0.99:
                print(
                    "SELECT author, COUNT(*) AS n, SUM(views) FROM articles WHERE id BETWEEN",
                    article,
                    end=" ",
                    file=file,
                )
                print("AND", article + 100, "GROUP BY author ORDER BY n DESC LIMIT 10;", file=file)
            else:
                print("UPDATE articles SET views = views + 1 WHERE id =", article, ";", file=file)


for seed, path in enumerate(sys.argv[1:]):
    write(Path(path), seed)
