import pytest
from hypothesis import given, strategies as st

from deployer.dialects import values


@pytest.mark.parametrize(
    ("read", "text", "wanted"),
    [
        (values.mysql_size, "256M", 256 * 1024**2),
        (values.mysql_size, "16k", 16384),
        (values.mysql_size, "0", 0),
        (values.redis_size, "100mb", 100 * 1024**2),
        (values.redis_size, "100m", 100_000_000),
        (values.redis_size, "1GB", 1024**3),
        (values.nginx_size, "8m", 8 * 1024**2),
        (values.nginx_duration_s, "1h30m", 5400),
        (values.nginx_duration_s, "65", 65),
        (values.nginx_duration_s, "1h 30m", 5400),
        (values.systemd_duration_s, "5min 20s", 320),
        (values.systemd_duration_s, "infinity", float("inf")),
    ],
)
def test_each_server_reads_its_own_way(read, text, wanted):
    assert read(text) == wanted


def test_postgresql_counts_a_bare_number_in_the_settings_own_unit():
    assert values.postgresql_size("8MB", "8kB") == 8 * 1024**2
    assert values.postgresql_size("1024", "8kB") == 8 * 1024**2
    assert values.postgresql_size("4096", "kB") == 4 * 1024**2
    assert values.postgresql_size("1.5GB", "kB") == 1.5 * 1024**3
    assert values.postgresql_duration_s("5", "min") == 300
    assert values.postgresql_number("0x10", "8kB") == 16
    assert values.postgresql_number("0777") == 511
    assert values.postgresql_number("1e2") == 100
    assert values.postgresql_number("128MB", "8kB") == 16384


def test_systemd_has_shares_and_no_bound():
    assert values.systemd_size("25%", 1000) == 250
    assert values.systemd_size("infinity", 1000) == float("inf")
    assert values.systemd_size("1G 512M", 0) == 1536 * 1024**2


@pytest.mark.parametrize(
    ("read", "text"),
    [
        *[(values.mysql_size, text) for text in ("256MB", "1GBX", "1.5G", "-1", "", "M", "٣M")],
        *[(values.redis_size, text) for text in ("100x", "1.5gb", "")],
        *[(values.nginx_size, text) for text in ("8mb", "", "8 m")],
        *[(values.nginx_duration_s, text) for text in ("", "30 sec", "x", "5min", "1.5s", "30m1h")],
        *[(values.systemd_duration_s, text) for text in ("", "5 parsecs", "s")],
        *[(lambda text: values.postgresql_size(text, "kB"), text) for text in ("4 MiB", "4m", "", "MB")],
        *[(lambda text: values.systemd_size(text, 1), text) for text in ("", "128MB", "200%", "much", "512M1G")],
        *[(lambda text: values.boolean("mycnf", text), text) for text in ("maybe", "yes", "")],
    ],
)
def test_what_a_server_would_not_read_or_would_misread_is_no_value(read, text):
    with pytest.raises(ValueError, match=r"."):
        read(text)


READERS = [
    values.mysql_size,
    values.redis_size,
    values.nginx_size,
    values.nginx_duration_s,
    values.systemd_duration_s,
    lambda text: values.postgresql_size(text, "8kB"),
    lambda text: values.postgresql_duration_s(text, "ms"),
    lambda text: values.systemd_size(text, 1024),
]


@pytest.mark.parametrize("read", READERS)
@given(text=st.one_of(st.text(max_size=30), st.from_regex(r"[0-9]{1,25}[a-zA-Z%]{0,3}")))
def test_any_text_is_a_number_or_no_value(read, text):
    try:
        found = read(text)
    except ValueError:
        return
    assert found == found  # no NaN
