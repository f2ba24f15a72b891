"""gunicorn's kinds of workers: those that were never deployed are called experimental, and nothing else is."""

from __future__ import annotations

import pytest
from hosts import app, gunicorn, host

from deployer.services.gunicorn import PROVEN_WORKER_CLASSES, SERVICE


@pytest.mark.parametrize("worker_class", sorted(PROVEN_WORKER_CLASSES))
def test_a_proven_kind_needs_no_word(worker_class):
    assert SERVICE.experimental(host(apps={"blog": app(gunicorn=gunicorn(worker_class=worker_class))})) == ()


def test_the_usual_kind_is_proven():
    assert SERVICE.experimental(host()) == ()


@pytest.mark.parametrize("worker_class", ["gevent", "eventlet", "tornado", "house.Workers"])
def test_any_other_kind_is_experimental_by_its_name(worker_class):
    blog = app(gunicorn=gunicorn(worker_class=worker_class))
    shop = app(gunicorn=gunicorn(worker_class="sync"), server_names=("shop.example",))
    (note,) = SERVICE.experimental(host(apps={"blog": blog, "shop": shop}))
    assert f"worker_class {worker_class} " in note
