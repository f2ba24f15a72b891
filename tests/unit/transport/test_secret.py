"""A secret does not show itself."""

import copy
import json
import pickle

import pytest

from deployer.secret import Secret

MARK = "hunter2-marker"


def test_no_way_of_showing_shows_it():
    secret = Secret(MARK)
    for shown in (str(secret), repr(secret), f"{secret}", f"{secret!r:>40}", "%s" % secret, repr([secret])):  # noqa: UP031
        assert MARK not in shown
    assert secret.reveal() == MARK


@pytest.mark.parametrize("leak", [pickle.dumps, json.dumps, copy.deepcopy, vars])
def test_it_is_not_serialised(leak):
    with pytest.raises(TypeError):
        leak(Secret(MARK))


def test_equal_secrets_are_equal():
    assert Secret(MARK) == Secret(MARK)
    assert Secret(MARK) != Secret("other")
    assert Secret(MARK) != MARK
    assert hash(Secret(MARK)) == hash(Secret(MARK))
    assert bool(Secret(MARK))
    assert not Secret("")
