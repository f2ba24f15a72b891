"""A value that must not be seen: it shows itself as ``[redacted]`` and is read by one explicit call."""

from __future__ import annotations

import hmac
from typing import Final, NoReturn

REDACTED: Final = "[redacted]"


class Secret:
    """Hold a secret text so that no print, log, traceback, diff or report shows it by accident.

    Comparing takes the same time wherever two secrets differ. A secret can neither be pickled nor copied into
    JSON.
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        """Give the secret itself; for the one place that has to deliver it."""
        return self.__value

    def __repr__(self) -> str:
        return f"Secret({REDACTED})"

    def __str__(self) -> str:
        return REDACTED

    def __format__(self, _spec: str) -> str:
        return REDACTED

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.__value.encode(), other.__value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self.__value))

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a secret is not serialised")
