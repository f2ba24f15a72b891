"""The notes' files: bounded, whole or not at all."""

import asyncio

import pytest
from notes.files import BLOCK_BYTES, Files, TooLargeError, file_name
from notes.settings import SettingsError, settings

MIB = 1 << 20


async def body(*sizes, error=None):
    for size in sizes:
        yield b"x" * size
    if error is not None:
        raise error


@pytest.fixture
def files(tmp_path):
    made = Files(tmp_path / "files", most_bytes=2 * MIB, most_bytes_in_all=3 * MIB)
    made.prepare()
    made.prepare()
    return made


def store(files, *sizes, error=None):
    return asyncio.run(files.store(body(*sizes, error=error)))


def test_a_file_is_written_as_it_comes(files):
    key, size = store(files, 10, BLOCK_BYTES, 3, 0, 70_000)
    assert size == BLOCK_BYTES + 70_013
    assert files.path(key).stat().st_size == size
    files.remove(key)
    files.remove(key)
    assert files.bytes_in_all() == 0


def test_an_empty_file_is_a_file(files):
    key, size = store(files)
    assert size == 0
    assert files.path(key).exists()


def test_one_that_is_too_large_leaves_nothing(files):
    with pytest.raises(TooLargeError):
        store(files, *[MIB] * 2, 1)
    assert files.bytes_in_all() == 0


def test_all_of_them_have_a_limit_too(files):
    store(files, 2 * MIB)
    with pytest.raises(TooLargeError):
        store(files, MIB + 1)
    store(files, MIB)


@pytest.mark.parametrize("error", [ConnectionResetError(), asyncio.CancelledError()])
def test_one_that_breaks_off_leaves_nothing(files, tmp_path, error):
    with pytest.raises(type(error)):
        store(files, MIB, error=error)
    assert not list((tmp_path / "files").iterdir())


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\a b.txt", "a b.txt"),
        ("<b>\r\nx", "_b_x"),
        ("..", "file"),
        ("", "file"),
        ("Größe.txt", "Größe.txt"),
        ("x" * 200, "x" * 100),
    ],
)
def test_names_are_made_harmless(given, kept):
    assert file_name(given) == kept


def test_the_environment_tells_all(tmp_path):
    environ = {"DB_NAME": "notes", "DB_USER": "sam", "STATE_DIRECTORY": str(tmp_path), "DB_POOL_SIZE": "9"}
    told = settings(environ)
    assert (told.pool_size, told.files, told.socket_folder) == (9, tmp_path / "files", "/run/postgresql")
    for name, value in (("DB_NAME", ""), ("DB_POOL_SIZE", "0"), ("UPLOAD_MIB", "-1"), ("FILES_MIB", "1e9")):
        with pytest.raises(SettingsError, match=name):
            settings({**environ, name: value})
