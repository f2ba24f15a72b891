"""The public pages."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from blog import posts
from blog.web import NotFoundError, html_page, site

router = APIRouter()
READ = ["GET", "HEAD"]


@router.api_route("/", methods=READ)
async def front(request: Request) -> Response:
    """Show the newest posts."""
    listing = await posts.newest(site(request).db)
    return await html_page(request, "front.html", listing=listing)


@router.api_route("/post/{slug}", methods=READ)
async def show_post(request: Request, slug: str) -> Response:
    """Show one post."""
    found = await posts.post(site(request).db, slug)
    if found is None:
        raise NotFoundError
    return await html_page(request, "post.html", post=found[0], tags=found[1])


@router.api_route("/archive", methods=READ)
@router.api_route("/archive/{number}", methods=READ)
async def archive(request: Request, number: str = "1") -> Response:
    """Show titles, fifty to a page."""
    listing = await posts.titles(site(request).db, _page_number(number))
    return await _list_page(request, listing, heading="Archive", path="/archive")


@router.api_route("/tags", methods=READ)
async def tags(request: Request) -> Response:
    """Show all tags."""
    return await html_page(request, "tags.html", tags=await posts.all_tags(site(request).db))


@router.api_route("/tag/{slug}", methods=READ)
@router.api_route("/tag/{slug}/{number}", methods=READ)
async def tag(request: Request, slug: str, number: str = "1") -> Response:
    """Show a tag's posts, ten to a page."""
    found = await posts.tagged(site(request).db, slug, _page_number(number))
    if found is None:
        raise NotFoundError
    return await _list_page(request, found[1], heading=found[0].name, path=f"/tag/{found[0].slug}")


@router.api_route("/page/{slug}", methods=READ)
async def show_page(request: Request, slug: str) -> Response:
    """Show a page such as "About"."""
    found = await posts.page(site(request).db, slug)
    if found is None:
        raise NotFoundError
    return await html_page(request, "page.html", page=found)


async def _list_page(request: Request, listing: posts.Listing, *, heading: str, path: str) -> Response:
    if not listing.cards and listing.number > 1:
        raise NotFoundError
    return await html_page(request, "list.html", listing=listing, heading=heading, path=path)


def _page_number(text: str) -> int:
    """Read 1 to 200; anything else is no page of ours, a second spelling such as "01" included."""
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and text[0] != "0"):
        raise NotFoundError
    number = int(text)
    if number > posts.LAST_PAGE:
        raise NotFoundError
    return number
