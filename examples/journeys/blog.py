"""What a reader of the blog does: `deployer verify --host blog1 --journeys examples/journeys/blog.py`."""

import random
import re

from locust import HttpUser, between, task

ARTICLE = re.compile(r'href="(/post/[a-z0-9-]+)"')


class Reader(HttpUser):
    """Opens the front page and reads an article from it; some look through the archive."""

    wait_time = between(0.2, 1.0)

    @task(4)
    def read(self) -> None:
        """Read an article of the front page."""
        front = self.client.get("/", name="front page")
        articles = ARTICLE.findall(front.text)
        if articles:
            self.client.get(random.choice(articles), name="article")  # noqa: S311 - no secret

    @task
    def browse(self) -> None:
        """Look through the archive."""
        with self.client.get("/archive", name="archive", catch_response=True) as page:
            if page.ok and "</html>" not in page.text:
                page.failure("half a page")
