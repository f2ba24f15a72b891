"""The administration: log in, write, change and delete posts. Nothing here is ever cached."""

import time
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from fastapi.responses import Response

from blog import editing, sessions
from blog.passwords import check_password
from blog.text import slugify
from blog.web import NotFoundError, html_page, read_form, redirect, session, set_session, site

TITLE_CHARACTERS = 200
TAG_CHARACTERS = 80
BODY_CHARACTERS = 100_000
TAGS_PER_POST = 10
router = APIRouter(prefix="/admin")


class LoginNeededError(Exception):
    """The visitor is not an author, or no longer one."""


async def author(request: Request) -> sessions.Session:
    """Return the author's session.

    Raises:
        LoginNeededError: There is none, or it was ended by logging out.
    """
    who = session(request)
    if who is None or not who.user_id or not await editing.is_epoch_of(site(request).db, who.user_id, who.epoch):
        raise LoginNeededError
    return who


@router.get("/login")
async def login_form(request: Request) -> Response:
    """Show the form, with a session of nobody that its token belongs to."""
    return await _login_page(request, 200, "")


@router.post("/login")
async def login(request: Request) -> Response:
    """Check name and password; a new session begins, so that one planted beforehand is worth nothing."""
    form = await read_form(request)
    of_site = site(request)
    user = await editing.user_named(of_site.db, form.get("name", "")[:80])
    if not await check_password(form.get("password", "")[:1024], user.password_hash if user else None) or not user:
        return await _login_page(request, 403, "Name or password is wrong.")
    answer = redirect("/admin/")
    set_session(answer, of_site, sessions.new_session(user.id, user.session_epoch, time.time()))
    return answer


@router.post("/logout")
async def logout(request: Request) -> Response:
    """End all sessions of this author, on other machines as well."""
    await read_form(request)
    who = await author(request)
    await editing.end_sessions(site(request).db, who.user_id)
    answer = redirect("/")
    answer.delete_cookie(sessions.COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return answer


@router.get("/")
async def overview(request: Request, page: int = 1) -> Response:
    """List posts and drafts."""
    await author(request)
    number = min(max(page, 1), 10_000)
    rows = await editing.all_posts(site(request).db, number)
    return await html_page(
        request, "admin/overview.html", rows=rows, number=number, has_older=len(rows) == editing.ROWS_PER_PAGE
    )


@router.get("/posts/new")
async def new_post(request: Request) -> Response:
    """Show an empty form."""
    await author(request)
    return await _editor(request, editing.Draft("", "", "", None), None, "")


@router.get("/posts/{post_id}")
async def edit_post(request: Request, post_id: int) -> Response:
    """Show a post's form."""
    await author(request)
    content = await editing.draft(site(request).db, post_id)
    if content is None:
        raise NotFoundError
    return await _editor(request, content, post_id, "")


@router.post("/posts/new")
async def create_post(request: Request) -> Response:
    """Store a new post."""
    return await _save(request, None)


@router.post("/posts/{post_id}")
async def change_post(request: Request, post_id: int) -> Response:
    """Store a changed post."""
    return await _save(request, post_id)


@router.post("/posts/{post_id}/delete")
async def delete_post(request: Request, post_id: int) -> Response:
    """Delete a post."""
    await read_form(request)
    await author(request)
    await editing.delete(site(request).db, post_id)
    return redirect("/admin/")


def read_draft(form: dict[str, str], published_before: datetime | None, now: datetime) -> tuple[editing.Draft, str]:
    """Read the editor's form; the second value says what is wrong with it, or is empty.

    A post keeps its date as long as it stays published; `now` is UTC without a zone, as the database has it.
    """
    title = " ".join(form.get("title", "").split())
    body = form.get("body", "").replace("\r\n", "\n").strip()
    names = (" ".join(name.split()) for name in form.get("tags", "").split(","))
    tags = tuple(dict.fromkeys(name for name in names if name))
    published_at = (published_before or now) if form.get("is_published") else None
    content = editing.Draft(title, slugify(form.get("slug") or title), body, published_at, tags)
    if not title or len(title) > TITLE_CHARACTERS:
        return content, f"A title of 1 to {TITLE_CHARACTERS} characters is needed."
    if not body or len(body) > BODY_CHARACTERS:
        return content, f"A text of 1 to {BODY_CHARACTERS} characters is needed."
    if len(tags) > TAGS_PER_POST or any(len(name) > TAG_CHARACTERS for name in tags):
        return content, f"At most {TAGS_PER_POST} tags of at most {TAG_CHARACTERS} characters."
    return content, ""


async def _save(request: Request, post_id: int | None) -> Response:
    form = await read_form(request)
    await author(request)
    db = site(request).db
    before = None if post_id is None else await editing.draft(db, post_id)
    if post_id is not None and before is None:
        raise NotFoundError
    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    content, problem = read_draft(form, before.published_at if before else None, now)
    if not problem:
        try:
            await editing.save(db, content, post_id)
        except editing.TakenError:
            problem = f"Another post has the address {content.slug}."
    return await _editor(request, content, post_id, problem) if problem else redirect("/admin/")


async def _editor(request: Request, content: editing.Draft, post_id: int | None, problem: str) -> Response:
    status = 422 if problem else 200
    return await html_page(request, "admin/editor.html", status, content=content, post_id=post_id, problem=problem)


async def _login_page(request: Request, status: int, problem: str) -> Response:
    of_site = site(request)
    nobody = sessions.new_session(0, 0, time.time())
    answer = await html_page(
        request,
        "admin/login.html",
        status,
        login_token=sessions.form_token(nobody, of_site.secret),
        problem=problem,
    )
    set_session(answer, of_site, nobody)
    return answer
