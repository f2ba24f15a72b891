"""MySQL 8.0 and later: as MariaDB, but for how a password is kept and shown."""

from __future__ import annotations

from .mariadb import MariaDB


class MySQL(MariaDB):
    """The server's side of `database.Server`."""

    clients = ("mysql",)
    # said aloud, as a server may have the older plugin as its default, which 9.0 no longer has
    identified = "IDENTIFIED WITH caching_sha2_password BY"
    # the salt of such a password is any bytes: only in hex can a user be put back as it was
    prelude = "SET SESSION print_identified_with_as_hex = ON;\n"
    # its second password would have to be of the plugin that the first one is of, and it shows neither
    has_two_ways = False
