"""Makes the example importable; only its parts without FastAPI and a driver are tested here."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "examples" / "blog"))
