"""What all routes share: the request's session, rendering with the right cache headers, forms, errors."""

import hashlib
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from blog import sessions
from blog.db import Database
from blog.posts import Menu

HERE = Path(__file__).parent
STATIC = HERE / "static"
PUBLIC = "public, max-age=0, s-maxage=5"
PRIVATE = "private, no-store"
#: Bytes; the longest post that an author may send.
FORM_LIMIT_BYTES = 512 * 1024
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' https:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


class NotFoundError(Exception):
    """There is nothing here."""


class BadFormError(Exception):
    """A form is too long, damaged or not from a page of ours."""


@dataclass(slots=True)
class Site:
    """What the process holds, on `app.state.site`."""

    db: Database
    secret: bytes = field(repr=False)
    menu: Menu = field(default_factory=Menu)


def site(request: Request) -> Site:
    """Return what the process holds."""
    found: Site = request.app.state.site
    return found


def session(request: Request) -> sessions.Session | None:
    """Return the session of a genuine cookie; only the database knows of logging out."""
    value = request.cookies.get(sessions.COOKIE)
    return None if value is None else sessions.unseal(value, site(request).secret, time.time())


def static_url(name: str) -> str:
    """Return the address of a static file, which changes with its content."""
    return f"/static/{name}?v={_VERSIONS[name]}"


async def html_page(request: Request, template: str, /, status: int = 200, **values: object) -> Response:
    """Render a page with the menu."""
    of_site = site(request)
    who = session(request)
    text = _TEMPLATES.get_template(template).render(
        values,
        menu=await of_site.menu.entries(of_site.db),
        is_author=who is not None and who.user_id > 0,
        form_token=sessions.form_token(who, of_site.secret) if who else "",
    )
    return answer(request, text, status, is_private=template.startswith("admin/"))


def answer(
    request: Request,
    text: str,
    status: int = 200,
    media_type: str = "text/html",
    *,
    is_private: bool = False,
) -> Response:
    """Send a text with the right cache headers.

    Any session cookie, be it forged, makes the answer private: a shared cache may never hold what was made
    for someone. Without one, shared caches may keep it for seconds, and it carries an ETag, which spares a
    thin link most of a second visit.
    """
    body = text.encode()
    if is_private or sessions.COOKIE in request.cookies:
        headers = {**SECURITY_HEADERS, "Cache-Control": PRIVATE}
        return Response(body, status, headers, media_type=media_type)
    tag = f'W/"{hashlib.blake2b(body, digest_size=9).hexdigest()}"'
    headers = {**SECURITY_HEADERS, "Cache-Control": PUBLIC, "ETag": tag}
    if status == 200 and tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(body, status, headers, media_type=media_type)


def plain_page(template: str, status: int, headers: dict[str, str] | None = None) -> Response:
    """Render an error without the database or a session."""
    text = _TEMPLATES.get_template(template).render(menu=(), is_author=False, form_token="")
    return HTMLResponse(text, status, {**SECURITY_HEADERS, "Cache-Control": PRIVATE, **(headers or {})})


def redirect(path: str) -> RedirectResponse:
    """Send the browser on with a GET."""
    return RedirectResponse(path, 303, {"Cache-Control": PRIVATE})


def set_session(response: Response, of_site: Site, new: sessions.Session) -> None:
    """Put a session into the answer's cookie."""
    response.set_cookie(
        sessions.COOKIE,
        sessions.seal(new, of_site.secret),
        max_age=sessions.LIFETIME_S,
        path="/",
        secure=True,
        httponly=True,
        samesite="lax",
    )


async def read_form(request: Request) -> dict[str, str]:
    """Read a form of at most 512 KiB whose token belongs to the session.

    Raises:
        BadFormError: It is none of that.
    """
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > FORM_LIMIT_BYTES:
            raise BadFormError("the form is too long")
    try:
        fields = dict(parse_qsl(data.decode(), keep_blank_values=True, max_num_fields=20, errors="strict"))
    except ValueError as error:
        raise BadFormError("the form is damaged") from error
    who = session(request)
    if who is None or not sessions.is_form_token(fields.get("form_token", ""), who, site(request).secret):
        raise BadFormError("the form is not from a page of this session")
    return fields


_VERSIONS = {
    path.name: hashlib.blake2b(path.read_bytes(), digest_size=5).hexdigest()
    for path in STATIC.iterdir()
    if path.is_file()
}
_TEMPLATES = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    auto_reload=False,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.globals["static_url"] = static_url
