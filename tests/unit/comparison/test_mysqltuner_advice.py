"""MySQLTuner's advice becomes settings by one rule; what names no value is told, never guessed."""

import pytest

from deployer.comparison.mysqltuner import read_advice

HEAD = " >>  MySQLTuner 2.9.3\n-------- Recommendations ----\nGeneral recommendations:\n    Increase table_open_cache\n"


def advice(*lines):
    return read_advice(HEAD + "Variables to adjust:\n" + "".join(f"    {line}\n" for line in lines))


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("skip-name-resolve=ON", "skip_name_resolve", "ON"),
        ("performance_schema=ON", "performance_schema", "ON"),
        ("table_open_cache (> 2000)", "table_open_cache", 4000),
        ("join_buffer_size (> 256.0K, or always use indexes with JOINs)", "join_buffer_size", 512 * 1024),
        ("innodb_buffer_pool_size (>= 1.5G) if possible.", "innodb_buffer_pool_size", 1536 << 20),
        ("innodb_io_capacity (>= 2000) for SSD/NVMe storage", "innodb_io_capacity", 2000),
        ("innodb_flush_neighbors = 0 (Recommended for SSD/NVMe)", "innodb_flush_neighbors", 0),
        ("binlog_cache_size (>= 16M.", "binlog_cache_size", 16 << 20),
        ("wait_timeout (< 28800)", "wait_timeout", 14400),
        ("query_cache_size (=0)", "query_cache_size", 0),
        ("key_buffer_size (~ 25M)", "key_buffer_size", 25 << 20),
        ("thread_cache_size (start at 4)", "thread_cache_size", 4),
        ("table_definition_cache(400) > 503 or -1 (autosizing if supported)", "table_definition_cache", 1006),
    ],
)
def test_each_form_of_its_advice(line, name, value):
    found = advice(line)
    assert found.variables == {name: value}
    assert not found.left_out


def test_what_names_no_value_is_left_out_and_told():
    line = "innodb_buffer_pool_size must always be equal to or a multiple of innodb_buffer_pool_chunk_size"
    assert advice(line).left_out == (line,)
    assert not advice(line).variables


def test_its_warnings_are_kept():
    found = advice("*** MySQL's maximum memory usage is dangerously high ***", "max_connections (> 151)")
    assert found.warnings == ("MySQL's maximum memory usage is dangerously high",)
    assert found.variables == {"max_connections": 302}


def test_a_report_without_advice_is_one():
    assert read_advice(HEAD).variables == {}
    assert read_advice(HEAD).version == "2.9.3"


def test_what_is_no_report_is_refused():
    with pytest.raises(ValueError, match="no report"):
        read_advice("bash: mysqltuner: command not found")
