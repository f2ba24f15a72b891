"""A plan with secrets from outside: it says where they come from, and holds nothing that they could be guessed by."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
from hosts import app, host
from test_plan import as_wanted, release

from deployer.allocate import allocate
from deployer.app import BackgroundWorker, Timer
from deployer.apply import apply
from deployer.deploy import Desired, Session
from deployer.errors import UsageError
from deployer.plan import Plan, build_plan, questions
from deployer.plan.build import unwanted_paths
from deployer.planfile import plan_text, read_plan
from deployer.references import AppSecret
from deployer.render import Rendered, render
from deployer.report.plan import plan_document
from deployer.secretvalues import proof
from deployer.transport import Secret

MARKER = "planted-77aa"
NONCE = "ab" * 32
PATH = "/etc/deployer/secrets/blog.stripe_key"
OWN = "/etc/deployer/secrets/blog.session_secret"
GIVEN = AppSecret(name="stripe_key", env="STRIPE_KEY")


def rendered(*secrets: str | AppSecret) -> Rendered:
    jobs: dict[str, Any] = {
        "background": {"mail": BackgroundWorker(command=("python", "-m", "mail"), processes=2)},
        "timers": {"clean": Timer(command=("bin/clean",), on_calendar="daily")},
    }
    declaration = host(memory_mib=2048, apps={"blog": app(secrets=secrets, **jobs)})
    return render(declaration, allocate(declaration))


WITH = rendered("session_secret", GIVEN)


def seen(wanted: Rendered = WITH, **secret: Any) -> dict[str, Any]:
    """What a host answers on which all is as wanted but for what is said of the secret."""
    found = as_wanted(wanted, [release()])
    if secret:
        there = {"kind": "file", "mode": "0600", "owner": "root", "group": "root", "mark": "mark:1"}
        found["files"][PATH] = {**there, **secret} if secret.get("kind") != "absent" else {"kind": "absent"}
    return found


def planned(told: dict[str, Any], wanted: Rendered = WITH, value: str = MARKER) -> Plan:
    return build_plan(wanted, [release()], told, {PATH: proof(NONCE, PATH, Secret(value))})


SAME = {"proof": proof(NONCE, PATH, Secret(MARKER)), "settled": True}


def test_a_question_tells_nothing_of_the_secret():
    asked = questions(WITH, [release()], nonce=NONCE)
    [one] = [file for file in asked["files"] if file["path"] == PATH]
    assert one == {"path": PATH, "kind": "file", "mode": "0600", "owner": "root", "group": "root", "secret": True}
    assert asked["nonce"] == NONCE
    assert OWN in asked["paths"]
    assert PATH not in asked["paths"]


def test_the_very_same_secret_needs_nothing():
    assert planned(seen(**SAME)).is_empty


@pytest.mark.parametrize(
    ("told", "verb"),
    [
        ({"kind": "absent"}, "create"),
        ({**SAME, "proof": "00"}, "change"),
        ({**SAME, "proof": None}, "change"),
        ({**SAME, "settled": False}, "change"),
        ({**SAME, "mode": "0644"}, "change"),
    ],
)
def test_any_other_is_changed_and_whatever_reads_it_restarted(told, verb):
    plan = planned(seen(**told))
    assert (plan.changes[0].kind, plan.changes[0].verb, plan.changes[0].name) == ("secret", verb, PATH)
    assert plan.changes[0].because == "from the environment variable STRIPE_KEY"
    restarted = [entry["unit"] for entry in plan.document["activations"] if entry.get("action") == "restart"]
    assert restarted == ["app-blog.service", "app-blog-mail@1.service", "app-blog-mail@2.service"]
    [entry] = plan.document["files"]
    assert set(entry["restarts"]) >= set(restarted)
    assert entry["after"] == {
        "kind": "file", "mode": "0600", "owner": "root", "group": "root", "secret": True,
        "source": "the environment variable STRIPE_KEY",
    }  # fmt: skip
    assert set(entry["before"]) <= {"kind", "mode", "owner", "group", "mark"}
    assert plan.given_secrets == {PATH: "the environment variable STRIPE_KEY"}


def test_no_secret_and_no_proof_is_in_a_plan_its_file_or_its_report():
    one = planned(seen(**{**SAME, "proof": "cd" * 32}))
    other = planned(seen(**{**SAME, "proof": "cd" * 32}), value="another")
    text = plan_text(one)
    assert text == plan_text(other), "nothing of the value is in it, in whatever form"
    for never in (MARKER, SAME["proof"], "cd" * 32, NONCE):
        assert never not in text + repr(one) + repr(plan_document(one))
    assert read_plan(text, where="p.json") == one


def test_the_hashes_of_units_are_the_same_for_any_value():
    assert planned(seen(**SAME)).document["units"] == planned(seen(**SAME), value="another").document["units"]


def test_only_what_the_plan_names_is_sent_and_in_no_blob():
    sent: list[dict[str, Any]] = []

    class Agent:
        """Notes what it is sent."""

        def call(self, request, blob, *_, **__):
            sent.append(request)
            assert MARKER.encode() not in blob.read()
            return {"transaction": "t", "steps": [], "notes": []}

    secrets = {PATH: Secret(MARKER), "/etc/deployer/secrets/blog.other": Secret("unsent")}
    for told in ({"kind": "absent"}, SAME):
        apply(Agent(), planned(seen(**told)), {}, lambda _step, _message: None, anew=nullcontext, secrets=secrets)
    assert [request["secrets"] for request in sent] == [{PATH: MARKER}, {}]


def test_a_kept_plan_is_refused_once_the_secret_comes_from_elsewhere():
    plan = planned(seen(kind="absent"))
    elsewhere = rendered("session_secret", AppSecret(name="stripe_key", file="k"))
    for wanted, fine in ((WITH, True), (elsewhere, False), (rendered("stripe_key"), False)):
        session = Session(Desired(None, wanted, ()), None, None)  # nothing of a host is asked for this
        if fine:
            session._check_secrets(plan)
            continue
        with pytest.raises(UsageError, match="stripe_key from the environment"):
            session._check_secrets(plan)
    assert MARKER not in repr(Session(Desired(None, WITH, ()), None, None, secrets={PATH: Secret(MARKER)}))


def test_a_secret_that_the_host_made_can_be_given_from_outside_and_none_is_kept_for_good():
    told = seen(**SAME, mark=None)
    del told["owned"][PATH]
    told["files"][PATH]["settled"] = False
    assert planned(told).warnings == ()
    assert planned(told).document["files"][0]["before"]["mark"] is None


def test_a_source_that_goes_leaves_the_value_to_the_host():
    bare = rendered("session_secret", "stripe_key")
    told = seen(bare)
    told["owned"][PATH] = "mark:1"
    assert unwanted_paths(bare, [release()], told) == []
    assert planned(told, bare).is_empty


def test_a_secret_that_goes_is_taken_away():
    bare = rendered("session_secret")
    told = seen(bare)
    told["owned"][PATH] = "mark:1"
    assert unwanted_paths(bare, [release()], told) == [PATH]
    told["files"][PATH] = {"kind": "file", "mode": "0600", "owner": "root", "group": "root", "mark": "mark:1"}
    plan = planned(told, bare)
    assert (plan.changes[0].kind, plan.changes[0].verb) == ("secret", "remove")
    assert plan.document["files"][0]["after"] == {"kind": "absent"}
