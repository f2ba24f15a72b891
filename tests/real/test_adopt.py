"""A host that was set up by hand is taken over with all its data, comes back if that fails, and later too."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from http.client import HTTPException
from typing import Any, Self

import by_hand
import pytest
import yaml
from taken_over import TakenOver

from deployer.inventory import load_inventory

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

STOP = ("--stop", by_hand.UNIT)
KEEPS_SHOP = {"services__nginx": {"include": ["/etc/nginx/sites-enabled/shop"]}}
#: Not when a link was made: a unit that was disabled and enabled again has another one.
LOOK = (
    "find /etc /srv -path /etc/deployer -prune -o -type f -printf '%p %s %m %u %T@\\n' -o -type l -printf '%p %l\\n' "
    "2>/dev/null | sort"
)
#: A system user of an app comes, and stays after a failure.
ACCOUNTS = tuple(f"/etc/{name}" for name in ("passwd", "group", "shadow", "gshadow", "subuid", "subgid"))
#: Lines after those that name the folders count more than any file in these.
OUTRANKING = "max_connections = 77|innodb_buffer_pool_size = 64M"


@pytest.fixture(scope="module")
def site(vps: Any, by_hand_host: str, tmp_path_factory: pytest.TempPathFactory) -> TakenOver:
    found = TakenOver(vps("byhand", snapshot=by_hand_host), tmp_path_factory.mktemp("site"))
    found.write()
    wait_until_served_by(found, "hand")
    return found


def served(site: TakenOver) -> dict[str, Any]:
    return dict(json.loads(site.get("/")[1]))


def wait_until_served_by(site: TakenOver, who: str) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            if served(site)["served_by"] == who:
                return
        except (OSError, HTTPException, ValueError):
            pass  # it is starting
        time.sleep(0.2)
    pytest.fail(f"it is not served by {who}")


def data(site: TakenOver) -> str:
    """Everything that has to be the same whoever serves: rows, their checksum, keys, uploads."""
    redis = "redis-cli {} mget one two three 2>/dev/null"
    keys = f"{redis.format('')} || {redis.format('-s /run/redis/redis-server.sock')}"
    return site.host.sh(f"mariadb -N -e 'CHECKSUM TABLE blog.posts; SELECT COUNT(*) FROM blog.posts'; {keys}; "
                        "cat /srv/myblog/uploads/one.txt")  # fmt: skip


def state(site: TakenOver) -> str:
    units = f"{by_hand.UNIT} nginx mariadb redis-server"
    return site.host.sh(f"systemctl is-active {units}; systemctl is-enabled {units}; true")


def shop(site: TakenOver) -> str:
    return site.host.sh(f"curl -s -H 'Host: {by_hand.SHOP}' http://127.0.0.1/")


class Visitor:
    """One visitor beside a takeover, five times a second, who notes who answered."""

    def __init__(self, site: TakenOver) -> None:
        self._site, self._over = site, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.seen: list[str] = []

    def _run(self) -> None:
        while not self._over.wait(0.2):
            try:
                response, body = self._site.get("/")
                self.seen.append(json.loads(body)["served_by"] if response.status == 200 else str(response.status))
            except (OSError, HTTPException, ValueError) as error:
                self.seen.append(type(error).__name__)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def assert_no_secret(*texts: str) -> None:
    for text in texts:
        assert by_hand.PASSWORD not in text
        assert by_hand.TOKEN not in text


def test_the_page_names_all_that_is_there_and_what_nobody_decided_and_changes_nothing(site: TakenOver) -> None:
    before = site.host.sh(LOOK)
    said = site.adopt()
    plain = " ".join(said.split())
    assert "cannot be taken over yet" in said
    assert f"site {by_hand.SHOP} in /etc/nginx/sites-enabled/shop, files of /srv/shop, is served by nobody" in plain
    assert f"--stop {by_hand.UNIT} (it comes back if the takeover fails), or --leave" in said
    assert "max_connections = 77 in /etc/mysql/my.cnf" in said
    assert "1 table" in said
    assert "user blog@localhost gets the app's password besides its own, which stays valid" in said
    assert "3 keys" in said
    assert "- worker_connections 333; # by hand, 2019" in plain
    assert "not read /etc/nginx/conf.d/tuning.conf" in plain
    assert "/etc/cron.d/myblog, line 1, goes on: 17 3 * * * root mysqldump" in plain
    document = site.adopt_document("--apply", code=4)  # what is lacking stands in the way of --apply
    assert not document["is_ready"]
    assert {one["unit"]: one["fate"] for one in document["units"]}[by_hand.UNIT] == "undecided"
    replaced = {one["path"]: one["kept_as"] for one in document["files"] if one["fate"] == "replaced"}
    assert replaced["/etc/nginx/nginx.conf"] == "/var/lib/deployer/former/etc/nginx/nginx.conf"
    assert_no_secret(said, json.dumps(document), site.run("plan").stdout)
    assert site.host.sh(LOOK) == before
    assert served(site) == {"served_by": "hand", "posts": by_hand.POSTS}


def test_a_draft_of_the_inventory_says_what_was_found_and_asks_where_it_guessed(site: TakenOver) -> None:
    draft = site.folder / "draft.yml"
    site.adopt("--write-inventory", str(draft))
    text = draft.read_text()
    entry = yaml.safe_load(text)["hosts"]["web1"]
    assert entry["hardware"]["memory_mib"] == 1024
    assert entry["apps"]["blog"]["server_names"] == [by_hand.NAME, f"www.{by_hand.NAME}"]
    assert entry["apps"]["blog"]["tls"] == {"certificate_file": by_hand.CERTIFICATE, "key_file": by_hand.KEY}
    assert entry["apps"]["blog"]["gunicorn"] == {"module": "app:app"}
    assert entry["apps"]["blog"]["database"] == {"name": "blog"}
    assert entry["services"]["mysql"]["version"] == "10.11"
    assert entry["services"]["nginx"] == {"include": ["/etc/nginx/sites-enabled/shop"]}
    assert "# QUESTION: is this the module" in text
    assert_no_secret(text)
    assert "cannot be written" in site.adopt("--write-inventory", str(draft), code=2)  # it is not written over
    # it is an inventory, but for the folder of the source
    assert load_inventory([draft]).entry("web1").host.services.mysql is not None


def test_a_takeover_that_fails_leaves_the_site_by_hand_serving(site: TakenOver) -> None:
    site.host.sh(f"sed -Ei '/^({OUTRANKING})$/d' /etc/mysql/my.cnf")
    # with a migration, the old site is stopped before the new one begins
    site.write(**KEEPS_SHOP, apps__blog__database={"migrate": ["python", "-c", "pass"]})
    source = site.source / "myblog.py"
    source.write_text("raise RuntimeError('it does not start')\n" + source.read_text())
    files, before, was = site.host.sh(LOOK), data(site), state(site)
    user = site.host.sh("mariadb -N -e 'SHOW CREATE USER blog@localhost'")
    said = site.adopt(*STOP, "--apply", code=5)
    assert f"stop {by_hand.UNIT}" in said
    assert "it does not start" in said
    assert state(site) == was
    wait_until_served_by(site, "hand")
    assert served(site)["posts"] == by_hand.POSTS
    assert shop(site) == "the shop\n"
    assert data(site) == before
    assert site.host.sh("mariadb -N -e 'SHOW CREATE USER blog@localhost'") == user
    left = site.host.sh(LOOK).splitlines()
    theirs = [line for line in left if not line.startswith(("/srv/blog/", *ACCOUNTS))]
    assert set(theirs) <= set(files.splitlines())


def test_it_is_taken_over_under_load_and_all_its_data_are_there(site: TakenOver) -> None:
    before = data(site)
    site.write(**KEEPS_SHOP)
    with Visitor(site) as visitor:
        said = site.adopt(*STOP, "--apply")
    assert "web1: live" in said
    assert data(site) == before
    assert served(site) == {"served_by": "deployer", "posts": by_hand.POSTS}
    assert shop(site) == "the shop\n"
    # first the one, then the other; between them a database that restarts and a moment of nginx
    assert visitor.seen[0] == "hand"
    assert visitor.seen[-1] == "deployer"
    assert "hand" not in visitor.seen[visitor.seen.index("deployer") :]
    failed = Counter(visitor.seen)
    print(f"visitor: {failed}")
    assert state(site).split()[:4] == ["inactive", "active", "active", "active"]
    assert state(site).split()[4] == "disabled"
    assert "by hand, 2019" in site.host.sh("cat /var/lib/deployer/former/etc/nginx/nginx.conf")
    # who knows the old password still gets in: a cron job by hand goes on
    login = f"mariadb --no-defaults -N -ublog -p'{by_hand.PASSWORD}' blog -e 'SELECT COUNT(*) FROM posts'"
    assert site.host.sh(login).strip() == str(by_hand.POSTS)
    drift = json.loads(site.run("drift", "--json").stdout)
    assert drift["findings"] == []
    assert {one["setting"] for one in drift["running"]} <= {"vm.overcommit_memory"}  # a container shares the machine's
    assert not site.plan()["changes"]
    assert "is ready to be taken over" in site.adopt()  # nothing of it is theirs any more
    assert_no_secret(said, site.host.sh("journalctl -b --no-pager -t python3; cat /var/lib/deployer/*.json*"))


def test_a_rollback_to_nothing_gives_the_site_by_hand_back(site: TakenOver) -> None:
    before = data(site)
    done = site.run("rollback", "--to", "nothing")
    assert done.returncode == 0, done.stderr
    assert state(site).split() == ["active"] * 4 + ["enabled"] * 4
    wait_until_served_by(site, "hand")
    assert served(site) == {"served_by": "hand", "posts": by_hand.POSTS}
    assert shop(site) == "the shop\n"
    assert data(site) == before
    assert "worker_connections 333; # by hand" in site.host.sh("cat /etc/nginx/nginx.conf")
    assert site.host.sh("mariadb -N -e 'SELECT @@max_connections'").strip() == "151"
