"""A live feed of messages: aiohttp, Server-Sent Events and Redis."""
