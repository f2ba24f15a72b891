"""Cookies and form tokens cannot be made, changed or kept without the key."""

import pytest
from blog import sessions
from blog.passwords import hash_password, is_password

SECRET = b"s" * 32
NOW = 1_800_000_000.0


def test_sealed_session_comes_back_whole() -> None:
    session = sessions.new_session(7, 3, NOW)
    assert sessions.unseal(sessions.seal(session, SECRET), SECRET, NOW + 1) == session


@pytest.mark.parametrize("value", ["", ".", "1.2.3.4.5", "x", "ä.b", "0" * 5000, "1.0.9999999999.n."])
def test_foreign_text_is_nobody(value: str) -> None:
    assert sessions.unseal(value, SECRET, NOW) is None


def test_every_changed_character_is_noticed() -> None:
    value = sessions.seal(sessions.new_session(1, 0, NOW), SECRET)
    for index, sign in enumerate(value):
        changed = value[:index] + ("A" if sign != "A" else "B") + value[index + 1 :]
        assert sessions.unseal(changed, SECRET, NOW) is None, index


def test_ends_in_time_and_with_another_key() -> None:
    session = sessions.new_session(1, 0, NOW)
    value = sessions.seal(session, SECRET)
    assert sessions.unseal(value, SECRET, NOW + sessions.LIFETIME_S - 1) == session
    assert sessions.unseal(value, SECRET, NOW + sessions.LIFETIME_S) is None
    assert sessions.unseal(value, b"t" * 32, NOW) is None


def test_form_token_belongs_to_one_session() -> None:
    one, other = sessions.new_session(1, 0, NOW), sessions.new_session(1, 0, NOW)
    token = sessions.form_token(one, SECRET)
    assert sessions.is_form_token(token, one, SECRET)
    assert not sessions.is_form_token(token, other, SECRET)
    assert not sessions.is_form_token("", one, SECRET)
    assert not sessions.is_form_token("ä", one, SECRET)


def test_password_is_salted_and_only_the_right_one_matches() -> None:
    stored = hash_password("correct horse")
    assert stored != hash_password("correct horse")
    assert is_password("correct horse", stored)
    assert not is_password("correct horsf", stored)


@pytest.mark.parametrize(
    "stored", ["", "plain", "scrypt$x$8$1$AA==$AA==", "md5$16384$8$1$AA==$AA==", "scrypt$3$8$1$AA==$AA=="]
)
def test_damaged_hash_matches_nothing(stored: str) -> None:
    assert not is_password("", stored)
