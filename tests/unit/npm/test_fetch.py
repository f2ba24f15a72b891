"""From a lock to node_modules: what is in it, from which registry, and what is refused."""

import random
import tracemalloc

import pytest
from tiny_registry import integrity_of, names_in, tarball, write_lock

from deployer.errors import PreparationFailed
from deployer.npm import fetch_node_modules

NO_PACKAGE = '{"lockfileVersion": 3, "packages": {"node_modules/a": 7}}'
NO_NAMES = '{"lockfileVersion": 3, "packages": {"": {"dependencies": ["a"]}}}'
DEBIAN = {"arch": "x86_64", "glibc": "2.36"}


def fetch(lock, facts=DEBIAN, said=None):
    return fetch_node_modules("app", lock, facts, (said if said is not None else []).append)


def refusal(lock, facts=DEBIAN):
    with pytest.raises(PreparationFailed) as caught:
        fetch(lock, facts)
    return caught.value


def test_packages_stand_at_their_places_with_their_commands(registry, tmp_path):
    tool = tarball({"package.json": "{}", "cli.js": "#!/usr/bin/env node", "lib/main.js": "1"})
    scoped = tarball({"index.js": "2", "run.js": "3"}, top="anything/")
    lock = write_lock(
        tmp_path,
        {
            "node_modules/tool": {**registry.publish("tool", tool), "bin": {"tool": "cli.js", "gone": "gone.js"}},
            "node_modules/tool/node_modules/@us/part": {
                **registry.publish("@us/part", scoped),
                "bin": {"@us/part": "./run.js"},
            },
        },
    )
    assert names_in(fetch(lock)) == {
        "node_modules": "/",
        "node_modules/.bin": "/",
        "node_modules/.bin/tool": "-> ../tool/cli.js",
        "node_modules/tool": "/",
        "node_modules/tool/cli.js": "755 #!/usr/bin/env node",
        "node_modules/tool/lib": "/",
        "node_modules/tool/lib/main.js": "644 1",
        "node_modules/tool/node_modules": "/",
        "node_modules/tool/node_modules/.bin": "/",
        "node_modules/tool/node_modules/.bin/part": "-> ../@us/part/run.js",
        "node_modules/tool/node_modules/@us": "/",
        "node_modules/tool/node_modules/@us/part": "/",
        "node_modules/tool/node_modules/@us/part/index.js": "644 2",
        "node_modules/tool/node_modules/@us/part/run.js": "755 3",
        "node_modules/tool/package.json": "644 {}",
    }


def test_the_same_lock_gives_the_same_bytes_and_asks_once(registry, tmp_path):
    lock = write_lock(tmp_path, {"node_modules/a": registry.publish("a", tarball({"index.js": "1"}))})
    first = fetch(lock)
    assert registry.asked == ["/npm/a/-/a-1.0.0.tgz"]
    assert fetch(lock) == first
    assert len(registry.asked) == 1, "what is here already is fetched again"


def test_a_kept_tarball_that_was_damaged_is_fetched_anew(registry, tmp_path):
    lock = write_lock(tmp_path, {"node_modules/a": registry.publish("a", tarball({"index.js": "1"}))})
    first = fetch(lock)
    (kept,) = (tmp_path / "cache/deployer/npm").glob("*.tgz")
    kept.write_bytes(b"damaged")
    assert fetch(lock) == first
    assert len(registry.asked) == 2


def test_a_lock_without_addresses_leaves_them_to_the_registry(registry, tmp_path):
    entry = registry.publish("@us/a", tarball({"index.js": "1"}))
    del entry["resolved"]
    fetch(write_lock(tmp_path, {"node_modules/@us/a": entry}))
    assert registry.asked == ["/npm/@us/a/-/a-1.0.0.tgz"]


def test_an_alias_is_fetched_under_its_own_name(registry, tmp_path):
    entry = {**registry.publish("a", tarball({"index.js": "1"})), "name": "a"}
    del entry["resolved"]
    assert "node_modules/other/index.js" in names_in(fetch(write_lock(tmp_path, {"node_modules/other": entry})))
    assert registry.asked == ["/npm/a/-/a-1.0.0.tgz"]


def test_development_and_bundled_packages_are_not_fetched(registry, tmp_path):
    bundling = tarball({"index.js": "1", "node_modules/inner/index.js": "2"})
    lock = write_lock(
        tmp_path,
        {
            "node_modules/a": registry.publish("a", bundling),
            "node_modules/a/node_modules/inner": {"version": "1.0.0", "inBundle": True},
            "node_modules/tests": {"version": "1.0.0", "dev": True, "hasInstallScript": True},
            "node_modules/old": {"version": "1.0.0", "extraneous": True, "needed_by_nobody": True},
        },
    )
    names = names_in(fetch(lock))
    assert names["node_modules/a/node_modules/inner/index.js"] == "644 2"
    assert not {"node_modules/tests", "node_modules/old"} & names.keys()


def test_optional_packages_for_other_hosts_stay_away_with_what_is_below_them(registry, tmp_path):
    optional = {"version": "1.0.0", "optional": True}
    lock = write_lock(
        tmp_path,
        {
            "node_modules/linux": {
                **registry.publish("linux", tarball({"a": "1"})),
                "optional": True,
                "os": ["linux"],
                "cpu": ["x64"],
                "libc": ["glibc"],
            },
            "node_modules/mac": {**optional, "os": ["darwin"], "hasInstallScript": True},
            "node_modules/mac/node_modules/below": optional,
            "node_modules/musl": {**optional, "libc": ["musl"]},
            "node_modules/script": {**optional, "hasInstallScript": True},
        },
    )
    said: list[str] = []
    names = names_in(fetch(lock, said=said))
    assert {name for name in names if name.count("/") == 1} == {"node_modules/linux"}
    (line,) = (line for line in said if "left out" in line)
    assert "script@1.0.0 runs a script" in line


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"hasInstallScript": True}, "a@1.0.0 runs a script"),
        ({"os": ["!linux"]}, "a@1.0.0 is not for linux x64 glibc"),
        ({"cpu": ["arm64", "ia32"]}, "is not for"),
        ({"libc": "musl"}, "is not for"),
        ({"integrity": None}, "no sha512"),
        ({"integrity": "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk="}, "no sha512"),
        ({"integrity": "sha512-AAAA"}, "no sha512"),
        ({"integrity": "sha512-!!"}, "no sha512"),
        ({"integrity": "sha512-é"}, "no sha512"),
        ({"resolved": "https://example.com/é.tgz"}, "only packages of a registry"),
        ({"resolved": "git+ssh://git@example.com/a.git#0123"}, "only packages of a registry"),
        ({"resolved": "file:../a.tgz"}, "only packages of a registry"),
        ({"resolved": "../a", "link": True}, "only packages of a registry"),
        ({"resolved": 7}, "only packages of a registry"),
        ({"resolved": "https://[/a.tgz"}, "only packages of a registry"),
        ({"version": "../../1"}, "is no package"),
        ({"name": "../a"}, "is no package"),
    ],
)
def test_what_cannot_be_fetched_safely_is_refused_by_name(registry, tmp_path, entry, message):
    good = registry.publish("a", tarball({"index.js": "1"}))
    error = refusal(write_lock(tmp_path, {"node_modules/a": {**good, **entry}}))
    assert message in error.message
    assert error.where.endswith("package-lock.json")
    assert error.next_step
    assert registry.asked == []


def test_a_login_in_an_address_is_not_shown(registry, tmp_path):
    entry = registry.publish("a", tarball({"index.js": "1"})) | {"resolved": "git+https://me:hunter2@example.com/a.git"}
    assert "from git+https://example.com/a.git" in refusal(write_lock(tmp_path, {"node_modules/a": entry})).message


def test_what_only_development_needs_for_sure_may_be_missing(registry, tmp_path):
    entry = {**registry.publish("a", tarball({"index.js": "1"})), "devOptional": True, "os": ["darwin"]}
    assert "node_modules/a" not in names_in(fetch(write_lock(tmp_path, {"node_modules/a": entry})))


@pytest.mark.parametrize("name", ["..", "../a", ".bin", "a/b", "/a", "a\nb", ""])
def test_a_place_outside_node_modules_is_refused(registry, tmp_path, name):
    entry = registry.publish("a", tarball({"index.js": "1"}))
    assert "only packages of a registry" in refusal(write_lock(tmp_path, {f"node_modules/{name}": entry})).message


def test_a_folder_of_a_workspace_is_refused_if_the_app_needs_it(registry, tmp_path):
    folder = {"version": "1.0.0", "needed_by_nobody": True}
    link = {"resolved": "packages/a", "link": True}
    assert len(names_in(fetch(write_lock(tmp_path, {"packages/a": folder})))) == 0
    lock = write_lock(tmp_path, {"packages/a": folder, "node_modules/a": link})
    assert "only packages of a registry" in refusal(lock).message


def test_only_what_is_needed_is_fetched_from_the_nearest_place(registry, tmp_path):
    """`a` has a `c` of its own, `b` uses that at the top; what only a package for other hosts needs stays away."""
    optional = {"optional": True}
    lock = write_lock(
        tmp_path,
        {
            "node_modules/a": registry.publish("a", tarball({"index.js": "1"})),
            "node_modules/a/node_modules/b": {
                **registry.publish("b", tarball({"index.js": "1"})),
                "dependencies": {"c": "^1.0.0"},
                "peerDependencies": {"not-there": "*"},
                "optionalDependencies": {"mac": "*", "neither": "*"},
            },
            "node_modules/a/node_modules/c": registry.publish("c", tarball({"index.js": "inner"})),
            "node_modules/c": {
                **registry.publish("c", tarball({"index.js": "outer"}), "2.0.0"),
                "needed_by_nobody": True,
            },
            "node_modules/mac": {
                "version": "1.0.0",
                **optional,
                "os": ["darwin"],
                "dependencies": {"for-mac": "*"},
                "needed_by_nobody": True,
            },
            "node_modules/for-mac": {"version": "1.0.0", **optional, "needed_by_nobody": True},
        },
    )
    names = names_in(fetch(lock))
    assert {name for name in names if name.endswith(".js")} == {
        "node_modules/a/index.js",
        "node_modules/a/node_modules/b/index.js",
        "node_modules/a/node_modules/c/index.js",
    }


def test_a_lock_that_lacks_something_is_refused(registry, tmp_path):
    entry = {**registry.publish("a", tarball({"index.js": "1"})), "dependencies": {"gone": "*"}}
    assert refusal(write_lock(tmp_path, {"node_modules/a": entry})).message == "the lock has no gone, which a needs"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "7", '{"lockfileVersion": 1}', '{"lockfileVersion": 3, "packages": []}', NO_PACKAGE, NO_NAMES],
)
def test_what_is_no_lock_is_refused(tmp_path, text):
    path = tmp_path / "package-lock.json"
    path.write_text(text)
    assert refusal(path).next_step
    path.unlink()
    assert "cannot be read" in refusal(path).message


def test_other_bytes_than_the_lock_says_are_refused_and_not_kept(registry, tmp_path):
    entry = registry.publish("a", tarball({"index.js": "1"}))
    registry.tarballs["/npm/a/-/a-1.0.0.tgz"] = tarball({"index.js": "evil"})
    error = refusal(write_lock(tmp_path, {"node_modules/a": entry}))
    assert "not what the lock says" in error.message
    assert error.where == f"{registry.address}a/-/a-1.0.0.tgz"
    assert not list((tmp_path / "cache").rglob("*.tgz"))


@pytest.mark.parametrize("name", ["../../escape", "a/../../../escape", "a\\..\\b"])
def test_paths_that_lead_out_are_refused(registry, tmp_path, name):
    entry = registry.publish("a", tarball({name: "1"}))
    assert "leads out of it" in refusal(write_lock(tmp_path, {"node_modules/a": entry})).message


def test_absolute_paths_are_refused(registry, tmp_path):
    entry = registry.publish("a", tarball({"etc/passwd": "1"}, top="/"))
    assert "leads out of it" in refusal(write_lock(tmp_path, {"node_modules/a": entry})).message


def test_links_in_a_tarball_are_left_out(registry, tmp_path):
    data = tarball({"index.js": "1"}, links={"passwd": "/etc/passwd", "up": "../.."})
    lock = write_lock(tmp_path, {"node_modules/a": registry.publish("a", data)})
    assert {name for name in names_in(fetch(lock)) if name.count("/") > 1} == {"node_modules/a/index.js"}


def test_a_command_outside_its_package_is_not_linked(registry, tmp_path):
    lock = write_lock(
        tmp_path,
        {
            "node_modules/a": {
                **registry.publish("a", tarball({"cli.js": "1"})),
                "bin": {"one": "../../../../bin/sh", "two": "/bin/sh", "..": "cli.js", "../../up": "cli.js"},
            }
        },
    )
    links = {name: what for name, what in names_in(fetch(lock)).items() if what.startswith("->")}
    assert links == {"node_modules/.bin/up": "-> ../a/cli.js"}


def test_a_package_that_unpacks_to_too_much_is_stopped(registry, tmp_path, monkeypatch):
    monkeypatch.setattr("deployer.npm.tree.MOST_UNPACKED_BYTES", 1 << 20)
    entry = registry.publish("a", tarball({"zeros": bytes(2 << 20)}))
    assert "more than 1 MiB" in refusal(write_lock(tmp_path, {"node_modules/a": entry})).message


def test_names_alone_are_bounded_too(registry, tmp_path, monkeypatch):
    monkeypatch.setattr("deployer.npm.tree.MOST_UNPACKED_BYTES", 1 << 20)
    monkeypatch.setattr("deployer.npm.tree.MOST_FILES", 10)
    entry = registry.publish("a", tarball({"n" * (4 << 20): ""}))
    assert "more than 1 MiB" in refusal(write_lock(tmp_path, {"node_modules/a": entry})).message


def test_a_tarball_that_is_too_large_is_stopped(registry, tmp_path, monkeypatch):
    monkeypatch.setattr("deployer.npm.registry.MOST_TARBALL_BYTES", 100)
    entry = registry.publish("a", tarball({"index.js": "1"}))
    assert "larger than" in refusal(write_lock(tmp_path, {"node_modules/a": entry})).message


@pytest.mark.parametrize("data", [b"", b"no gzip", tarball({"a": "1" * 5000})[:-20]])
def test_a_damaged_tarball_is_said_to_be_damaged(registry, tmp_path, data):
    entry = {**registry.publish("a", data), "integrity": integrity_of(data)}
    assert "damaged" in refusal(write_lock(tmp_path, {"node_modules/a": entry})).message


def test_a_file_that_is_a_folder_elsewhere_is_refused(registry, tmp_path):
    lock = write_lock(
        tmp_path,
        {
            "node_modules/a": registry.publish("a", tarball({"node_modules": "a file"})),
            "node_modules/a/node_modules/b": registry.publish("b", tarball({"index.js": "1"})),
        },
    )
    assert "node_modules/a/node_modules" in refusal(lock).message


def test_a_command_that_is_a_folder_elsewhere_is_refused(registry, tmp_path):
    tool = registry.publish("b", tarball({"cli.js": "1"}))
    lock = write_lock(
        tmp_path,
        {
            "node_modules/a": registry.publish("a", tarball({"node_modules/.bin/b/x": "1"})),
            "node_modules/a/node_modules/b": {**tool, "bin": {"b": "cli.js"}},
        },
    )
    assert "node_modules/a/node_modules/.bin/b" in refusal(lock).message


def test_a_registry_that_fails_for_the_moment_is_asked_again(registry, tmp_path):
    lock = write_lock(tmp_path, {"node_modules/a": registry.publish("a", tarball({"index.js": "1"}))})
    registry.failures = [503, 429]
    fetch(lock)
    assert len(registry.asked) == 3


@pytest.mark.parametrize(("failures", "times"), [([404], 1), ([401], 1), ([500, 500, 500], 3)])
def test_a_registry_that_does_not_give_it_is_named(registry, tmp_path, failures, times):
    lock = write_lock(tmp_path, {"node_modules/a": registry.publish("a", tarball({"index.js": "1"}))})
    registry.failures = list(failures)
    error = refusal(lock)
    assert f"answers {failures[0]}" in error.message
    assert error.where.startswith(registry.address)
    assert len(registry.asked) == times


def test_a_registry_that_is_not_there_is_named(registry, tmp_path, monkeypatch):
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    lock = write_lock(tmp_path, {"node_modules/a": registry.publish("a", tarball({"index.js": "1"}))})
    assert "cannot be fetched" in refusal(lock).message


def test_packages_are_never_all_in_memory_at_once(registry, tmp_path):
    """Only the tar that is sent is: what is fetched and unpacked lies on the disk."""
    each_bytes, count = 1 << 20, 12
    texts = [random.Random(number).randbytes(each_bytes).hex() for number in range(count)]
    entries = {
        f"node_modules/p{number}": registry.publish(f"p{number}", tarball({"index.js": text}))
        for number, text in enumerate(texts)
    }
    lock = write_lock(tmp_path, entries)
    fetch(lock)  # what is fetched is kept, and what imports take is taken
    for whence in ("the folder that keeps them", "the registry"):
        tracemalloc.start()
        try:
            packed = fetch(lock)
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert len(packed) > 2 * each_bytes * count
        assert peak_bytes < 1.25 * len(packed), f"from {whence}: {peak_bytes / len(packed):.2f} of the tar"
        for kept in (tmp_path / "cache/deployer/npm").glob("*.tgz"):
            kept.unlink()
