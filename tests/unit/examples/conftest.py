"""Makes the examples importable; only what they do without a framework or a server is tested here."""

import sys
from pathlib import Path

for example in ("notes", "guestbook", "feed"):
    sys.path.insert(0, str(Path(__file__).parents[3] / "examples" / example))
