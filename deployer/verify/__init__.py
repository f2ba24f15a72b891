"""Verify: a load test that says whether a host keeps its promise, and who was the limit.

    target = VerifyTarget.of(slo, address="203.0.113.9", server_name="blog.example")
    with connect(login) as remote, remote.agent() as agent:
        verdict = verify(target, slo, AgentSampler(agent, ["nginx.service"]), say=print)
    print(report.text(verdict))

``verdict.outcome`` is ``kept``, ``missed`` or ``inconclusive``; the caller makes an exit code of it.
"""

from __future__ import annotations

from deployer.verify.measured import HostSamples, Measured, Timed
from deployer.verify.run import find_knee, verify
from deployer.verify.sampler import AgentSampler, Sampler, Unwatched
from deployer.verify.target import VerifyTarget
from deployer.verify.verdict import Capacity, Findings, Line, Objective, Outcome, Verdict

__all__ = [
    "AgentSampler",
    "Capacity",
    "Findings",
    "HostSamples",
    "Line",
    "Measured",
    "Objective",
    "Outcome",
    "Sampler",
    "Timed",
    "Unwatched",
    "Verdict",
    "VerifyTarget",
    "find_knee",
    "verify",
]
