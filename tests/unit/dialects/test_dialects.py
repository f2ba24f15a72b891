import pytest
from hypothesis import given, settings, strategies as st

from deployer.dialects import DIALECTS, DialectError, Statement, guess, read
from deployer.dialects.unit import effective
from deployer.registry import judge


def said(dialect, text):
    return [(one.name, one.value, one.line, one.context) for one in read(dialect, text)]


def test_mycnf_has_groups_flags_quotes_comments_and_one_spelling():
    text = (
        "# top\n!include /etc/other.cnf\n[mysqld]\nskip-name-resolve\nloose-x_y = 3 # why\n"
        "init_connect='SET NAMES \"a#b\"'\n;no\n[client]\nport=1\n"
    )
    assert said("mycnf", text) == [
        ("!include", "/etc/other.cnf", 2, ()),
        ("skip_name_resolve", None, 4, ("mysqld",)),
        ("loose_x_y", "3", 5, ("mysqld",)),
        ("init_connect", 'SET NAMES "a#b"', 6, ("mysqld",)),
        ("port", "1", 9, ("client",)),
    ]


@pytest.mark.parametrize(
    ("dialect", "text", "line"),
    [
        ("mycnf", "a=1", 1),
        ("mycnf", "\n[mysqld", 2),
        ("mycnf", "!exec rm", 1),
        ("nginx", "events {}\nhttp {\n", 2),
        ("nginx", "a b", 1),
        ("nginx", "}", 1),
        ("nginx", "a;\n;", 2),
        ("nginx", "x { a b }", 1),
        ("nginx", "log_format x 'never;\n", 1),
        ("nginx", "a {" * 40, 1),
        ("unit", "[Unit\nA=b", 1),
        ("gunicorn", "workers = \n", 1),
        ("gunicorn", "(" * 5000, 1),
        ("postgresql", "shared_buffers\n", 1),
        ("postgresql", "\nwork_mem = 4 MB", 2),
        ("redis", 'save "', 1),
        ("redis", 'requirepass "a"b', 1),
        ("sysctl", "\0", 1),
        ("perl", "", 0),
    ],
)
def test_what_no_server_can_read_is_one_error_with_its_line(dialect, text, line):
    with pytest.raises(DialectError) as caught:
        read(dialect, text)
    assert caught.value.line == line
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        ("mycnf", "password=hunter2"),
        ("mycnf", "password hunter2"),
        ("mycnf", "[mysqld]\npassword hunter2"),
        ("postgresql", "primary_conninfo = host=a password=hunter2"),
        ("postgresql", "primary_conninfo='host=a password=hunter2"),
        ("redis", 'requirepass "hunter2'),
        ("redis", "requirepass hunter2 hunter2"),
        ("unit", "[Service]\nDB_PASSWORD hunter2"),
        ("unit", '[Service]\nEnvironment="DB_PASSWORD=hunter2"\nMemoryMax=1GB\n'),
        ("gunicorn", "password = 'hunter2"),
        ("nginx", "proxy_set_header Authorization hunter2"),
    ],
)
def test_no_message_repeats_what_may_be_a_secret(dialect, text):
    try:
        said = str(judge(read(dialect, text), dialect))
    except DialectError as error:
        said = str(error)
    assert said != "()" or dialect == "redis"
    assert "hunter2" not in said


@pytest.mark.parametrize("value", ["*", "/run/a", "1.5GB", "90%", "a,b", "5MB x", "-a"])
def test_postgresql_wants_quotes_around_all_but_plain_numbers_and_words(value):
    with pytest.raises(DialectError, match="quotes"):
        read("postgresql", f"listen_addresses = {value}")
    assert said("postgresql", f"listen_addresses = '{value}'") == [("listen_addresses", value, 1, ())]


@pytest.mark.parametrize("value", ["64MB", "-1", "+5", "0x10", "1.5", ".5", "on", "a-b.c:d/e", "scram-sha-256"])
def test_postgresql_takes_plain_numbers_and_words_as_they_are(value):
    assert said("postgresql", f"a={value}#c") == [("a", value, 1, ())]


def test_nginx_has_nested_contexts_quotes_and_variables():
    text = (
        "worker_processes 2;\nhttp {\n  # c\n  log_format a '$x \"y\"';\n  server {\n    listen 443 ssl;\n"
        '    location ~ "^/a{2}$" {}\n    return 200 ${host}x;\n  }\n}\n'
    )
    assert said("nginx", text) == [
        ("worker_processes", "2", 1, ()),
        ("http", "", 2, ()),
        ("log_format", 'a $x "y"', 4, ("http",)),
        ("server", "", 5, ("http",)),
        ("listen", "443 ssl", 6, ("http", "server")),
        ("location", "~ ^/a{2}$", 7, ("http", "server")),
        ("return", "200 ${host}x", 8, ("http", "server")),
    ]


def test_nginx_counts_lines_within_quotes():
    assert said("nginx", "a 'x\ny';\nb c;")[1] == ("b", "c", 3, ())


def test_units_join_lines_keep_repeats_and_know_what_an_empty_value_does():
    text = (
        "[Service]\nExecStart=/bin/a \\\n# not me\n  b\nExecStart=\nExecStart=/bin/c\nnonsense\n[Install]\nWantedBy=x\n"
    )
    statements = read("unit", text)
    assert statements[0] == Statement("ExecStart", "/bin/a  b", 2, ("Service",))
    assert [one.value for one in effective(statements, "Service", "ExecStart")] == ["/bin/c"]
    assert Statement("nonsense", None, 7, ("Service",)) in statements
    assert statements[-1] == Statement("WantedBy", "x", 9, ("Install",))


def test_two_backslashes_at_the_end_do_not_continue_a_line():
    assert said("unit", "[Service]\nA=b\\\\\nC=d\n")[1] == ("C", "d", 3, ("Service",))


def test_gunicorn_is_read_and_never_run():
    text = (
        "import os\nraise SystemExit\ncores = os.cpu_count()\nworkers = cores * 2\nbind = 'unix:/run/a'\n"
        "timeout: int = -3\nif cores:\n    threads = 4\ndef post_fork(server, worker):\n    inner = 1\n"
    )
    assert said("gunicorn", text) == [
        ("cores", None, 3, ("variable",)),
        ("workers", None, 4, ()),
        ("bind", "unix:/run/a", 5, ()),
        ("timeout", "-3", 6, ()),
        ("threads", "4", 8, ("if",)),
        ("post_fork", None, 9, ("def",)),
    ]


def test_postgresql_takes_either_form_and_any_case():
    text = "Work_Mem = 4MB # c\nshared_buffers '8''MB'\napp.name = x\ninclude 'a.conf'\n"
    assert said("postgresql", text) == [
        ("work_mem", "4MB", 1, ()),
        ("shared_buffers", "8'MB", 2, ()),
        ("app.name", "x", 3, ()),
        ("include", "a.conf", 4, ()),
    ]


def test_redis_has_words_and_quotes():
    assert said("redis", '# c\nSAVE ""\nsave 60 1\nmaxmemory 100mb\nappendonly\n') == [
        ("save", "", 2, ()),
        ("save", "60 1", 3, ()),
        ("maxmemory", "100mb", 4, ()),
        ("appendonly", None, 5, ()),
    ]


def test_sysctl_has_two_separators():
    assert said("sysctl", "net/ipv4/conf/eth0.1/rp_filter=1\n-vm.swappiness = 10\nnet.core.somaxconn\n") == [
        ("net.ipv4.conf.eth0/1.rp_filter", "1", 1, ()),
        ("vm.swappiness", "10", 2, ()),
        ("net.core.somaxconn", None, 3, ()),
    ]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_empty_text_has_no_statement(dialect):
    assert read(dialect, "") == ()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_larger_than_a_config_is_refused_at_once(dialect):
    with pytest.raises(DialectError, match="larger than 1024 KiB"):
        read(dialect, "a" * 2_000_000)


SOUP = st.text(st.sampled_from("ab=_-#;'\"\\\n\t {}[]()!$%,.:0123KMG/é\r\x0b\x85\u2028"), max_size=200)


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(max_examples=400, deadline=None)
@given(text=st.one_of(SOUP, st.text(max_size=200)))
def test_any_text_is_statements_or_one_clear_error(dialect, text):
    try:
        found = read(dialect, text)
        lines = [one.line for one in found]
    except DialectError as error:
        lines = [max(1, error.line)]
    assert all(1 <= line <= text.count("\n") + 1 for line in lines)


@pytest.mark.parametrize(
    ("name", "text", "dialect"),
    [
        ("my.cnf", "", "mycnf"),
        ("x.conf", "[mysqld]\na=1", "mycnf"),
        ("a@.service", "", "unit"),
        ("a.service.d/60.conf", "", "unit"),
        ("etc/systemd/system/a.service.d/60.conf", "", "unit"),
        ("gunicorn.conf.py", "", "gunicorn"),
        ("nginx.conf", "", "nginx"),
        ("site.conf", "server {\n}", "nginx"),
        ("postgresql.auto.conf", "", "postgresql"),
        ("valkey.conf", "", "redis"),
        ("99.conf", "vm.swappiness = 1", "sysctl"),
        ("readme.txt", "hello", None),
    ],
)
def test_a_dialect_is_guessed_by_name_then_by_text(name, text, dialect):
    assert guess(name, text) == dialect
