"""The RSS feed and the sitemap."""

from datetime import UTC, datetime
from email.utils import format_datetime
from xml.sax.saxutils import escape

from fastapi import APIRouter, Request
from fastapi.responses import Response

from blog import posts
from blog.web import answer, site

POSTS_IN_FEED = 20
router = APIRouter()


@router.api_route("/feed.xml", methods=["GET", "HEAD"])
async def feed(request: Request) -> Response:
    """Return RSS 2.0 with the newest posts."""
    listing = await posts.newest(site(request).db, POSTS_IN_FEED)
    text = rss(listing.cards, _address(request))
    return answer(request, text, media_type="application/rss+xml")


@router.api_route("/sitemap.xml", methods=["GET", "HEAD"])
async def sitemap(request: Request) -> Response:
    """Return the addresses of all posts."""
    address = _address(request)
    urls = "".join(
        f"<url><loc>{escape(address)}/post/{slug}</loc><lastmod>{published_at:%Y-%m-%d}</lastmod></url>\n"
        for slug, published_at in await posts.sitemap(site(request).db)
    )
    namespace = "http://www.sitemaps.org/schemas/sitemap/0.9"
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="{namespace}">\n{urls}</urlset>\n'
    return answer(request, text, media_type="application/xml")


def rss(cards: list[posts.Card], address: str) -> str:
    """Return the feed; `address` is the blog's own, without a slash at its end."""
    base = escape(address)
    items = "".join(
        f"<item><title>{_clean(card.title)}</title><link>{base}/post/{card.slug}</link>"
        f"<guid>{base}/post/{card.slug}</guid><pubDate>{_date(card.published_at)}</pubDate>"
        f"<description>{_clean(card.excerpt)}</description></item>\n"
        for card in cards
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0"><channel>\n'
        f"<title>A small blog</title><link>{base}/</link><description>Newest posts</description>\n"
        f"{items}</channel></rss>\n"
    )


def _clean(text: str) -> str:
    """Escape, and leave out the control characters that XML 1.0 has no way to write."""
    return escape("".join(sign for sign in text if sign >= " " and sign not in "\ufffe\uffff"))


def _date(moment: datetime) -> str:
    return format_datetime(moment.replace(tzinfo=UTC))


def _address(request: Request) -> str:
    """Return scheme and host as the visitor used them; the reverse proxy has checked the host."""
    return f"{request.url.scheme}://{request.url.netloc}"
