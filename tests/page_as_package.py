"""The package that docs/adding-a-service.md shows, written out as it stands there, for who follows the page."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs/adding-a-service.md"


def installed_from_the_page(folder: Path) -> Path:
    """Write the page's files, and what an installer would write of its pyproject.toml; PYTHONPATH finds them there."""
    captioned = re.compile(r"^`(memcached_for_deployer/[\w./-]+)`\n\n```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    files = captioned.findall(PAGE.read_text())
    assert len(files) == 7
    for name, text in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    entry = re.search(r'entry-points\."(.+?)"\]\n(\w+ = )"(.+?)"', files[0][1])
    assert entry
    information = folder / "memcached_for_deployer-1.0.dist-info"
    information.mkdir()
    (information / "entry_points.txt").write_text(f"[{entry[1]}]\n{entry[2]}{entry[3]}\n")
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: memcached-for-deployer\nVersion: 1.0\n")
    return folder
