"""Passwords, kept as salted scrypt hashes."""

import asyncio
import base64
import hashlib
import hmac
import secrets

#: scrypt's cost: 128 * N * R bytes = 16 MiB and about 50 ms for one try.
COST_N, COST_R, COST_P = 2**14, 8, 1
#: Bytes; what OpenSSL may use, above the 16 MiB that it needs.
MEMORY_LIMIT_BYTES = 32 * 1024 * 1024
#: What an unknown user's password is compared with, so that both cases take the same time.
NOBODY = "scrypt$16384$8$1$AAAAAAAAAAAAAAAAAAAAAA==$" + base64.b64encode(bytes(32)).decode()
#: One at a time in a process: the memory of many tries at once is not in the worker's budget.
_ONE_AT_A_TIME = asyncio.Semaphore(1)


def hash_password(password: str) -> str:
    """Return `scrypt$N$R$P$salt$hash`, with a new random salt."""
    salt = secrets.token_bytes(16)
    digest = _scrypt(password, salt, COST_N, COST_R, COST_P)
    return f"scrypt${COST_N}${COST_R}${COST_P}${_text(salt)}${_text(digest)}"


def is_password(password: str, stored: str) -> bool:
    """Compare in constant time; a stored text of another form matches nothing."""
    try:
        scheme, n, r, p, salt, digest = stored.split("$")
        if scheme != "scrypt":
            return False
        wanted = base64.b64decode(digest, validate=True)
        found = _scrypt(password, base64.b64decode(salt, validate=True), int(n), int(r), int(p))
    except ValueError:
        return False
    return hmac.compare_digest(wanted, found)


async def check_password(password: str, stored: str | None) -> bool:
    """Do the same without holding up other visitors; `stored` is None for an unknown user."""
    async with _ONE_AT_A_TIME:
        matches = await asyncio.to_thread(is_password, password, stored or NOBODY)
    return matches and stored is not None


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=MEMORY_LIMIT_BYTES, dklen=32)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
