"""Signed session cookies and the form tokens that belong to them. No clock and no request in here."""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass

COOKIE = "blog_session"
#: Seconds; a working day, then the administrator logs in again.
LIFETIME_S = 12 * 3600


@dataclass(frozen=True, slots=True)
class Session:
    """Who holds the cookie.

    Attributes:
        user_id: 0 before login: the login form needs a token too.
        epoch: Must equal the user's; logging out raises it, which ends all sessions of that user.
        expires_at: Unix time, s.
        nonce: Makes each session's form tokens its own.
    """

    user_id: int
    epoch: int
    expires_at: int
    nonce: str


def new_session(user_id: int, epoch: int, now: float) -> Session:
    """Begin a session at the unix time `now`, s."""
    return Session(user_id, epoch, int(now) + LIFETIME_S, secrets.token_urlsafe(12))


def seal(session: Session, secret: bytes) -> str:
    """Return the cookie's value."""
    payload = f"{session.user_id}.{session.epoch}.{session.expires_at}.{session.nonce}"
    return f"{payload}.{_mac(secret, 'session', payload)}"


def unseal(value: str, secret: bytes, now: float) -> Session | None:
    """Return the session in a cookie's value, or None if it is forged, damaged or over."""
    payload, _, mac = value.rpartition(".")
    if not hmac.compare_digest(mac.encode(), _mac(secret, "session", payload).encode()):
        return None
    user_id, epoch, expires_at, nonce = payload.split(".")
    session = Session(int(user_id), int(epoch), int(expires_at), nonce)
    return session if now < session.expires_at else None


def form_token(session: Session, secret: bytes) -> str:
    """Return what every form of this session must send back."""
    return _mac(secret, "form", f"{session.user_id}.{session.nonce}")


def is_form_token(token: str, session: Session, secret: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(token.encode(), form_token(session, secret).encode())


def _mac(secret: bytes, purpose: str, payload: str) -> str:
    digest = hmac.digest(secret, f"{purpose}\0{payload}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
