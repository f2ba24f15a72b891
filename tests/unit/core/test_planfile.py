"""A plan that was kept in a file is the plan that was shown, or is refused."""

import json

import pytest

from deployer.errors import UsageError
from deployer.plan import Change, Plan
from deployer.planfile import plan_text, read_plan

PLAN = Plan(
    "web1",
    (
        Change("file", "change", "/etc/a", "mode 0600 becomes 0644", "-x\n+ü\n"),
        Change("unit", "reload", "nginx.service"),
    ),
    {"files": [{"path": "/etc/a", "after": {"blob": "file.0"}}], "last_transaction": None},
    {"file.0": bytes(range(256)) * 40, "empty": b""},
    ("blog",),
    ("look out",),
)


def test_a_plan_comes_back_as_it_was_and_has_one_text():
    text = plan_text(PLAN)
    back = read_plan(text, where="p.json")
    assert back == PLAN
    assert back.blobs == PLAN.blobs
    assert plan_text(back) == text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": "deployer/plan-file/2"}, "schema"),
        ({"changes": [{"kind": "file", "verb": "eat", "name": "x"}]}, "changes.0.verb"),
        ({"blobs": {"a": "%%%"}}, "blobs.a"),
        ({"more": 1}, "more"),
        ({"host": None}, "host"),
    ],
)
def test_what_is_no_plan_of_ours_is_refused_by_name(change, said):
    with pytest.raises(UsageError) as refused:
        read_plan(json.dumps(json.loads(plan_text(PLAN)) | change), where="p.json")
    assert said in refused.value.message
    assert refused.value.where == "p.json"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\0", "1" * 5000])
def test_garbage_is_refused(text):
    with pytest.raises(UsageError, match="no plan of this deployer"):
        read_plan(text, where="p.json")
