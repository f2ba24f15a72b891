"""Visitors at a constant rate beside releases: every fifth sends something, none waits for another."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Self

#: Requests that arrive in a second, whatever the host does.
RATE_PER_S = 30.0
#: One request in so many is a POST.
POST_EVERY = 5
#: A visitor who waits longer has failed, s.
PATIENCE_S = 20.0
#: As many may wait at the same time: those of PATIENCE_S, and some.
MOST_AT_ONCE = 700


@dataclass(frozen=True, slots=True)
class Answer:
    """What one visitor got: `problem` is empty, or says what was wrong."""

    due_s: float
    took_s: float
    method: str
    body: str
    problem: str = ""


class ReleaseVisitors:
    """An open model: a request is sent when it is due, on a connection of its own, and its wait counts from then.

    Args:
        address: The host.
        name: The site.
        path: What is asked for.
        post: Every fifth sends a word, which has to come back after the release's name.
    """

    def __init__(self, address: str, name: str, *, path: str = "/which", post: bool = True) -> None:
        self._address, self._name, self._path, self._post = address, name, path, post
        self._over = threading.Event()
        self._clock = threading.Thread(target=self._send_all)
        self._began = 0.0
        self.answers: list[Answer] = []

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._clock.start()
        time.sleep(0.5)
        return self

    def __exit__(self, *_: object) -> None:
        time.sleep(0.5)
        self._over.set()
        self._clock.join()

    @property
    def failed(self) -> Counter[str]:
        """What went wrong, and how often."""
        return Counter(f"{one.method}: {one.problem}" for one in self.answers if one.problem)

    def percentile_s(self, share: float) -> float:
        """How long so large a share waited at the most, s."""
        took = sorted(one.took_s for one in self.answers)
        return took[min(len(took) - 1, int(share * len(took)))]

    def told(self) -> str:
        """How many there were, and how long they waited."""
        waits = ", ".join(f"P{share} {self.percentile_s(share / 100):.3f} s" for share in (50, 99, 100))
        return f"{len(self.answers)} requests, {sum(self.failed.values())} failed, {waits}"

    def releases(self) -> list[str]:
        """The releases that answered, in the order in which they were first seen."""
        return list(dict.fromkeys(one.body for one in sorted(self.answers, key=lambda one: one.due_s)))

    def are_answered_by(self, release: str, within_s: float = 15.0) -> bool:
        """Wait, while they go on, until a release answers."""
        until = time.monotonic() + within_s
        while time.monotonic() < until and self.answers[-1].body != release:
            time.sleep(0.1)
        return self.answers[-1].body == release

    def _send_all(self) -> None:
        under_way: list[threading.Thread] = []
        number = 0
        while not self._over.is_set():
            due = self._began + number / RATE_PER_S
            time.sleep(max(0.0, due - time.monotonic()))
            method = "POST" if self._post and number % POST_EVERY == 0 else "GET"
            visitor = threading.Thread(target=self._send, args=(method, number, due))
            visitor.start()
            under_way = [one for one in under_way if one.is_alive()] + [visitor]
            assert len(under_way) < MOST_AT_ONCE, "visitors pile up"
            number += 1
        for visitor in under_way:
            visitor.join(PATIENCE_S + 5)

    def _send(self, method: str, number: int, due: float) -> None:
        problem, body = "", ""
        try:
            connection = HTTPConnection(self._address, 80, timeout=PATIENCE_S)
            try:
                sent = f"visitor-{number}"
                headers = {"Host": self._name, "Cookie": "blog_session=x", "Connection": "close"}
                connection.request(method, self._path, sent.encode() if method == "POST" else None, headers)
                answer = connection.getresponse()
                text = answer.read().decode()
            finally:
                connection.close()
            body, _, echoed = text.partition(" ")
            if answer.status != 200:
                problem, body = f"status {answer.status}", ""
            elif method == "POST" and echoed != sent:
                problem = f"not what was sent: {echoed!r}"
        except (OSError, HTTPException) as error:
            problem = f"{type(error).__name__}: {error}"
        took_s = time.monotonic() - due
        self.answers.append(Answer(due - self._began, took_s, method, body, problem))
