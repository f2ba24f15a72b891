"""Taking over a host that runs a site by hand: what becomes of each thing that is there, decided before it is touched.

Pure: the host's answer to a ``survey`` and the plan that a deploy would apply go in, a value to read and to apply
comes out. What nobody decided is lacking, and as long as anything is lacking nothing is applied.
"""

from __future__ import annotations

from deployer.adoption.decide import adoption_of, question
from deployer.adoption.draft import draft, entry_at
from deployer.adoption.fates import Adoption, Choices, DataFate, FileFate, Lacking, SiteFate, UnitFate
from deployer.adoption.found import Found, plain

__all__ = [
    "Adoption",
    "Choices",
    "DataFate",
    "FileFate",
    "Found",
    "Lacking",
    "SiteFate",
    "UnitFate",
    "adoption_of",
    "draft",
    "entry_at",
    "plain",
    "question",
]
