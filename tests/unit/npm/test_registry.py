"""Which registry is asked: as npm would choose it."""

import pytest

from deployer.errors import PreparationFailed
from deployer.npm.lock import Package
from deployer.npm.platform import Platform, platform_of
from deployer.npm.registry import NPM_S_OWN, Registry, registry_of, with_npm_s_default


def package(name="a", resolved=""):
    return Package(f"node_modules/{name}", name, "1.0.0", resolved, b"", {})


@pytest.fixture
def folders(tmp_path, monkeypatch):
    for name in ("home", "app"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home" / ".npmrc", tmp_path / "app" / ".npmrc"


AT_NPM = f"https://{NPM_S_OWN}.example/a/-/a-1.0.0.tgz"


def test_the_lock_s_own_addresses_unless_something_is_set(folders):
    registry = registry_of(folders[1].parent, {})
    assert not registry.address
    assert registry.tarball_of(package(resolved=AT_NPM)) == AT_NPM
    with pytest.raises(PreparationFailed, match="no registry is set"):
        registry.tarball_of(package())


def test_npm_is_asked_where_nothing_is_set(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not with_npm_s_default(Registry()).address
    (tmp_path / "npm").write_text('#!/bin/sh\n[ "$*" = "config get registry" ] && echo https://npm.example\n')
    (tmp_path / "npm").chmod(0o755)
    assert with_npm_s_default(Registry()).address == "https://npm.example/"
    assert with_npm_s_default(Registry("https://set.example/")).address == "https://set.example/"


def test_the_environment_before_the_app_before_the_user(folders):
    user, app = folders
    user.write_text("; mine\nregistry = https://user.example/npm\n//user.example/:_authToken=xyz\nfund=false\n")
    assert registry_of(app.parent, {}).address == "https://user.example/npm/"
    app.write_text('registry="https://${PLACE}.example/"\n')
    assert registry_of(app.parent, {"PLACE": "app"}).address == "https://app.example/"
    environ = {"NPM_CONFIG_REGISTRY": "http://env.example/a/"}
    assert registry_of(app.parent, environ).address == "http://env.example/a/"
    other = {"npm_config_userconfig": str(user.with_name("other"))}
    app.unlink()
    assert not registry_of(app.parent, other).address


def test_only_npm_s_own_host_is_replaced(folders):
    registry = registry_of(folders[1].parent, {"npm_config_registry": "https://mirror.example/npm"})
    at_npm = package(resolved=AT_NPM)
    assert registry.tarball_of(at_npm) == "https://mirror.example/npm/a/-/a-1.0.0.tgz"
    elsewhere = package(resolved="https://other.example/a-1.0.0.tgz")
    assert registry.tarball_of(elsewhere) == "https://other.example/a-1.0.0.tgz"
    assert registry.tarball_of(package()) == "https://mirror.example/npm/a/-/a-1.0.0.tgz"


def test_a_scope_may_have_a_registry_of_its_own(folders):
    folders[1].write_text("@us:registry=https://us.example\n")
    registry = registry_of(folders[1].parent, {})
    assert registry.tarball_of(package("@us/a")) == "https://us.example/@us/a/-/a-1.0.0.tgz"
    assert registry.tarball_of(package("@them/a", resolved=AT_NPM)) == AT_NPM


@pytest.mark.parametrize(
    "value", ["mirror.example", "file:///etc", "ftp://x/", "https://", "${NOWHERE}", "https://[/", "https://me:pw@x/"]
)
def test_what_is_no_address_is_refused(folders, value):
    folders[1].write_text(f"registry={value}\n")
    with pytest.raises(PreparationFailed, match="no address of a registry") as caught:
        registry_of(folders[1].parent, {})
    assert "pw" not in str(caught.value.diagnostics())


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"arch": "x86_64", "glibc": "2.36"}, "linux x64 glibc"),
        ({"arch": "aarch64", "glibc": None}, "linux arm64 musl"),
        ({"arch": "loongarch64", "glibc": "2.41"}, "linux loongarch64 glibc"),
    ],
)
def test_a_host_in_npm_s_words(facts, expected):
    assert str(platform_of(facts)) == expected


@pytest.mark.parametrize(
    ("entry", "admitted"),
    [
        ({}, True),
        ({"os": []}, True),
        ({"os": ["any"]}, True),
        ({"os": ["linux", "darwin"]}, True),
        ({"os": ["!win32"]}, True),
        ({"os": ["!win32", "!linux"]}, False),
        ({"os": ["win32"]}, False),
        ({"os": ["linux"], "cpu": ["arm64"]}, False),
        ({"cpu": "x64"}, True),
        ({"libc": ["musl"]}, False),
    ],
)
def test_what_a_package_admits(entry, admitted):
    assert Platform("linux", "x64", "glibc").admits(entry) is admitted
