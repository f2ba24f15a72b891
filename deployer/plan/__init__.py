"""The plan: what is wanted, held against what the host said, becomes changes and the agent's document. Pure."""

from __future__ import annotations

from deployer.plan.back import back_plan
from deployer.plan.build import build_plan
from deployer.plan.changes import Change, Plan
from deployer.plan.questions import questions

__all__ = ["Change", "Plan", "back_plan", "build_plan", "questions"]
