import time

import pytest
from hypothesis import given, settings, strategies as st

from deployer.dialects import DIALECTS, DialectError, read
from deployer.errors import UsageError
from deployer.registry import Kind, dialect_of, guard, judge, registry, split

F, IGN, M, D = Kind.FATAL, Kind.IGNORED, Kind.MISREAD, Kind.DEPRECATED


def found(full, text):
    dialect, flavour, version = split(full)
    return [(one.kind, one.name, one.line) for one in judge(read(dialect, text), dialect, flavour, version)]


CASES = [
    # names by release
    ("mycnf/mysql/8.4", "[mysqld]\nquery_cache_size = 32M", [(F, "query_cache_size", 2)]),
    ("mycnf/mariadb/10.11", "[mysqld]\nquery-cache-size = 32M", []),
    ("mycnf/mysql/8.0", "[mysqld]\nloose_query_cache_size = 32M", []),
    ("mycnf/mysql/8.0", "[mysqld]\nexpire_logs_days = 7", [(D, "expire_logs_days", 2)]),
    ("mycnf/mysql/8.4", "[mysqld]\nexpire_logs_days = 7", [(F, "expire_logs_days", 2)]),
    ("mycnf/mysql/9.7", "[mysqld]\ninnodb_log_file_size = 48M", [(F, "innodb_log_file_size", 2)]),
    ("mycnf/mysql/8.4", "[mysqld]\ninnodb_redo_log_capacity = 128M", []),
    ("mycnf/mariadb/10.11", "[mysqld]\ninnodb_redo_log_capacity = 128M", [(F, "innodb_redo_log_capacity", 2)]),
    ("mycnf/mariadb/10.11", "[mysqld]\ninnodb_file_format = Barracuda", [(IGN, "innodb_file_format", 2)]),
    ("mycnf/mariadb/10.11", "[mysqld]\ninnodb_buffer_pool_instances = 4", [(IGN, "innodb_buffer_pool_instances", 2)]),
    ("mycnf/mariadb/10.11", "[mysqld]\ninnodb_support_xa = 1", [(F, "innodb_support_xa", 2)]),
    ("mycnf/mariadb/11.8", "[mysqld]\ninnodb_change_buffering = none", [(IGN, "innodb_change_buffering", 2)]),
    ("mycnf/mariadb/10.11", "[mysqld]\ninnodb_change_buffering = none", []),
    ("mycnf/mariadb/10.11", "[mysqld]\nskip-name-resolve\nskip_networking\nsort_buffer=1M", [(D, "sort_buffer", 4)]),
    ("mycnf/mariadb/10.11", "[client]\nnonsense = 1\n[mysqldump]\nquick", []),
    ("mycnf/mysql/8.4", "[mysqld]\nvalidate_password.policy=LOW\nndb_nodeid=1", []),
    # values
    ("mycnf/mariadb/10.11", "[mysqld]\nsort_buffer_size = 256MB", [(M, "sort_buffer_size", 2)]),
    ("mycnf/mysql/8.4", "[mysqld]\nsort_buffer_size = 1GBX", [(M, "sort_buffer_size", 2)]),
    ("mycnf/mysql/8.4", "[mysqld]\nperformance_schema = maybe", [(M, "performance_schema", 2)]),
    ("mycnf/mariadb/10.11", "[mysqld]\ninnodb_buffer_pool_size = 1", [(M, "innodb_buffer_pool_size", 2)]),
    ("mycnf/mariadb/10.11", "[mysqld]\nmax_connections = many", [(M, "max_connections", 2)]),
    ("mycnf/mariadb/10.11", "[mysqld]\nmax_connections = abc", [(F, "max_connections", 2)]),
    ("mycnf/mariadb/10.11", "[mysqld]\nsort_buffer_size = 1.5M", [(F, "sort_buffer_size", 2)]),
    ("mycnf/mariadb/10.11", "[mysqld]\nsort_buffer_size = +1M\nlong_query_time = 1e1", []),
    ("mycnf/mariadb/10.11", "[mysqld]\nlong_query_time = 1s", [(F, "long_query_time", 2)]),
    ("mycnf/mariadb/10.11", "[mysqld]\nmax_connections = -5", [(F, "max_connections", 2)]),
    ("mycnf/mysql/9.7", "[mysqld]\nmax_connections = -5\ntable_definition_cache = -1", [(M, "max_connections", 2)]),
    ("mycnf/mariadb/10.11", "[mysqld]\nsort_buffer_size =", [(M, "sort_buffer_size", 2)]),
    ("mycnf/mysql/9.7", "[mysqld]\nsort_buffer_size =\nsql_mode =", [(F, "sort_buffer_size", 2)]),
    ("mycnf/mysql/9.7", "[mysqld]\nsort_buffer_size\nlog_bin", [(F, "sort_buffer_size", 2)]),
    ("mycnf/mariadb/10.11", "[mysqld]\nquery_cache_type = 3", [(F, "query_cache_type", 2)]),
    ("mycnf/mariadb/10.11", "[mysqld]\nbinlog_format = 2", []),
    ("mycnf/mariadb/10.11", "[mysqld]\nenable_sort_buffer_size = 1M", [(M, "enable_sort_buffer_size", 2)]),
    ("mycnf/mariadb/10.11", "[mysqld]\nMax_Connections = 30\nSKIP-NAME-RESOLVE", []),
    ("mycnf/mysql/9.7", "[mysqld]\nMax_Connections = 30", [(F, "Max_Connections", 2)]),
    ("mycnf/mysql/8.0", "[mysqld]\nsql_mode = STRICT_TRANS_TABLES, no_auto_create_user", [(F, "sql_mode", 2)]),
    ("mycnf/mariadb/10.11", "[mysqld]\nsql_mode = NO_AUTO_CREATE_USER", []),
    # groups
    ("mycnf/mariadb/10.11", "[mysqdl]\nmax_connections = 9", [(IGN, "max_connections", 2)]),
    ("mycnf/mariadb/10.11", "[client]\ninnodb_buffer_pool_size = 1G", [(IGN, "innodb_buffer_pool_size", 2)]),
    ("mycnf/mariadb/10.11", "[mariadb-10.11]\nnope = 1\n[mariadb-10.6]\nnope = 1", [(F, "nope", 2)]),
    ("mycnf/mysql/8.4", "[mysqld]\n[mysqldump]\nquick\n[xtrabackup]\ninnodb_buffer_pool_size=200M", []),
    # together
    ("mycnf/mariadb/11.8", "[mysqld]\nquery_cache_type = 0\nquery_cache_size = 32M", [(M, "query_cache_size", 3)]),
    ("mycnf/mariadb/11.8", "[mysqld]\nquery_cache_type = 0\nquery_cache_size = 0", []),
    ("mycnf/mysql/8.4", "[mysqld]\ninnodb_buffer_pool_size = 200M", [(M, "innodb_buffer_pool_size", 2)]),
    ("mycnf/mysql/8.4", "[mysqld]\ninnodb_buffer_pool_size = 200M\ninnodb_buffer_pool_chunk_size = 8M", []),
    ("mycnf/mysql/9.7", "[mysqld]\ninnodb_buffer_pool_size = 100M", []),
    ("mycnf/mysql/8.4", "[mysqld]\ninnodb_buffer_pool_size = 1536M", []),
    ("mycnf/mysql/8.0", "[mysqld]\ninnodb_buffer_pool_size = 1536M", [(M, "innodb_buffer_pool_size", 2)]),
    (
        "mycnf/mariadb/11.8.6",
        "[mysqld]\ninnodb_buffer_pool_size = 200M",
        [(Kind.DANGEROUS, "innodb_buffer_pool_size", 2)],
    ),
    ("mycnf/mariadb/11.8.7", "[mysqld]\ninnodb_buffer_pool_size = 200M", []),
    ("mycnf/mariadb/11.8", "[mysqld]\ntmp_table_size = 64M\nmax_heap_table_size = 16M", [(M, "tmp_table_size", 2)]),
    ("mycnf/mysql/9.7", "[mysqld]\ncharacter-set-server=utf8", [(F, "character_set_server", 2)]),
    # nginx
    ("nginx/1.22", "events {}\nhttp { server { http2 on; } }", [(F, "http2", 2)]),
    ("nginx/1.26", "events {}\nhttp { server { http2 on; } }", []),
    ("nginx/1.26", "ssl on;", [(F, "ssl", 1)]),
    ("nginx/1.26", "events {}\nhttp { worker_connections 10; }", [(F, "worker_connections", 2)]),
    ("nginx/1.26", "location / { proxy_pass http://a; foo bar; }", [(F, "foo", 1)]),
    (
        "nginx/1.26",
        "map $a $b { default 0; x 1; }\ngzip maybe;\nclient_max_body_size 2mb;",
        [(F, "gzip", 2), (F, "client_max_body_size", 3)],
    ),
    ("nginx/1.26", "brotli on;", [(F, "brotli", 1)]),
    ("nginx/1.26", "load_module modules/b.so;\nbrotli on;", []),
    ("nginx/1.26", "worker_rlimit_nofile 1000;\nevents { worker_connections 65535; }", [(M, "worker_connections", 2)]),
    ("nginx/1.22", "upstream a { server unix:/a; keepalive 16; }", [(IGN, "keepalive", 1)]),
    ("nginx/1.26", "server { listen 443 ssl http2; }", [(D, "listen", 1)]),
    ("nginx/1.26", "http { gzip on; server { gzip on; } server { gzip off; gzip on; } }", [(F, "gzip", 1)]),
    ("nginx/1.26", "keepalive_timeout 5;\nkeepalive_timeout 75 60;", [(F, "keepalive_timeout", 2)]),
    ("nginx/1.26", "map $a $b { gzip 1; gzip 2; }\nadd_header a b;\nadd_header c d;", []),
    (
        "nginx/1.26",
        "gzip;\nsendfile on off;\nkeepalive_requests -1;",
        [(F, "gzip", 1), (F, "sendfile", 2), (F, "keepalive_requests", 3)],
    ),
    ("nginx/1.26", "proxy_next_upstream error;", []),
    # units
    ("unit/252", "[Service]\nFoo=1\nMemoryMax=100M", [(IGN, "Foo", 2)]),
    ("unit/252", "[Service]\nMemoryMax=100MB", [(IGN, "MemoryMax", 2)]),
    ("unit/252", "[Unit]\nMemoryMax=1G", [(IGN, "MemoryMax", 2)]),
    ("unit/252", "[Sevice]\nUser=a", [(IGN, "User", 2)]),
    ("unit/252", "User=a", [(IGN, "User", 1)]),
    ("unit/252", "[Service]\nMemoryZSwapMax=1M", [(IGN, "MemoryZSwapMax", 2)]),
    # what a build may leave out, Debian's has: each was tried with systemd-analyze verify
    ("unit/257", "[Service]\nSystemCallFilter=@system-service\nLockPersonality=yes\nRestrictNamespaces=yes", []),
    (
        "unit/252",
        "[Service]\nType=notifyy\nRestart=allways\nPrivateTmp=YES\nProtectSystem=Strict\nKillMode=mixed",
        [(IGN, "Type", 2), (IGN, "Restart", 3), (IGN, "ProtectSystem", 5)],
    ),
    (
        "unit/252",
        "[Service]\nLimitNOFILE=64K\nTasksMax=1k\nCPUQuota=50\nNice=-21",
        [(IGN, "LimitNOFILE", 2), (IGN, "TasksMax", 3), (IGN, "CPUQuota", 4), (IGN, "Nice", 5)],
    ),
    ("unit/252", "[Service]\nLimitNOFILE=infinity\nTasksMax=50%\nCPUQuota=150%\nCPUWeight=idle\nMemoryMax=25.5%", []),
    (
        "unit/252",
        "[Service]\nMemoryMax=0\nMemorySwapMax=0\nLimitNOFILE=9:8",
        [(IGN, "MemoryMax", 2), (IGN, "LimitNOFILE", 4)],
    ),
    ("unit/252", "[Unit]\nAfter=a.service\n[Service]\nExecStart=/a\nExecStart=/b", [(F, "ExecStart", 5)]),
    ("unit/252", "[Service]\nType=oneshot\nExecStart=/a\nExecStart=/b\nWorkingDirectory=-/x", []),
    ("unit/252", "[Service]\nWorkingDirectory=x\nExecStart=\nExecStart=/a", [(F, "WorkingDirectory", 2)]),
    ("unit/255", "[Service]\nMemoryZSwapMax=1M\nX-Mine=1\n[X-Own]\na=b", []),
    (
        "unit/252",
        "[Service]\nNoNewPrivileges=perhaps\nTimeoutStopSec=5 parsecs",
        [(IGN, "NoNewPrivileges", 2), (IGN, "TimeoutStopSec", 3)],
    ),
    (
        "unit/252",
        "[Service]\nExecStart=/v/bin/gunicorn --worker-memory-limit=200M a:b",
        [(F, "--worker-memory-limit", 2)],
    ),
    ("unit/252", "[Service]\nMemoryHigh=2G\nMemoryMax=1G", [(M, "MemoryHigh", 2)]),
    # systemd says nothing of a capability that it does not know: what was meant to be kept is dropped
    ("unit/252", "[Service]\nCapabilityBoundingSet=NET_BIND_SERVICE", [(IGN, "CapabilityBoundingSet", 2)]),
    ("unit/252", "[Service]\nAmbientCapabilities=CAP_CHOWN,CAP_KILL", [(IGN, "AmbientCapabilities", 2)]),
    ("unit/252", "[Service]\nCapabilityBoundingSet=~cap_sys_admin CAP_NET_RAW\nAmbientCapabilities=", []),
    ("unit/252", "[Journal]\nSystemMaxUse=50MB\nStorage=disk", [(IGN, "SystemMaxUse", 2), (IGN, "Storage", 3)]),
    ("unit/252", "[Journal]\nSystemMaxUse=50M\nRuntimeMaxUse=1.5G\nStorage=persistent", []),
    # gunicorn
    ("gunicorn/23", "import os\nn = 2\nworkers = n\nworker_memory_limit = 200", [(IGN, "worker_memory_limit", 4)]),
    ("gunicorn/23", "control_socket_disable = True", [(IGN, "control_socket_disable", 1)]),
    ("gunicorn/27", "control_socket_disable = True\ndef post_fork(server, worker):\n    x = 1", []),
    ("gunicorn/23", "workers = 'many'", [(F, "workers", 1)]),
    # PostgreSQL, Redis, kernel
    ("postgresql/17", "old_snapshot_threshold = -1", [(F, "old_snapshot_threshold", 1)]),
    ("postgresql/15", "shared_buffers = 128M\nwork_mem = 4MB\nmy.own = 1", [(F, "shared_buffers", 1)]),
    ("postgresql/15", "work_mem = 1kB", [(F, "work_mem", 1)]),
    ("postgresql/15", "wal_level = some\nfsync = perhaps", [(F, "wal_level", 1), (F, "fsync", 2)]),
    ("postgresql/17", "log_min_duration_statement = -1\nmax_connections = 0x64\nlog_file_mode = 0600", []),
    (
        "postgresql/17",
        "max_connections = 0\nlog_min_duration_statement = -2",
        [(F, "max_connections", 1), (F, "log_min_duration_statement", 2)],
    ),
    (
        "postgresql/17",
        "random_page_cost = abc\nhash_mem_multiplier = 0.5",
        [(F, "random_page_cost", 1), (F, "hash_mem_multiplier", 2)],
    ),
    ("postgresql/17", "wal_level = 1\nsynchronous_commit = 1", [(F, "wal_level", 1)]),
    (
        "redis/redis/7",
        "supervised systemd\nmaxmemory-clients 10%\noom-score-adj relative\nmaxmemory-policy LFU",
        [(F, "maxmemory-policy", 4)],
    ),
    (
        "redis/redis/7",
        "maxmemory\nmaxmemory 1gb # c\ndatabases 1k\nio-threads 999",
        [(F, "maxmemory", 1), (F, "maxmemory", 2), (F, "databases", 3), (F, "io-threads", 4)],
    ),
    ("redis/redis/7", "maxmemory 100mb\nmaxmemory-polcy allkeys-lru", [(F, "maxmemory-polcy", 2)]),
    ("redis/redis/6", "maxmemory-clients 0", [(F, "maxmemory-clients", 1)]),
    ("redis/valkey/8", "appendonly maybe\nmaxmemory 1.5gb", [(F, "appendonly", 1), (F, "maxmemory", 2)]),
    (
        "sysctl",
        "net.ipv4.tcp_tw_recycle = 1\nnet.core.somaxconn = 4096\nvm.swapiness = 10",
        [(IGN, "net.ipv4.tcp_tw_recycle", 1), (IGN, "vm.swapiness", 3)],
    ),
]


@pytest.mark.parametrize(("dialect", "text", "wanted"), CASES, ids=[f"{a}: {b[:40]!r}" for a, b, _ in CASES])
def test_each_release_is_judged_by_what_it_knows(dialect, text, wanted):
    assert found(dialect, text) == wanted


def test_a_finding_says_what_is_known_from_where_and_what_to_write():
    (one,) = judge(read("mycnf", "[mysqld]\nsort_buffer_size=256MB"), "mycnf", "mariadb", "10.11")
    assert "256MB" in one.message
    assert one.because.startswith("asked of mariadbd 10.11")
    assert one.instead == "sort_buffer_size = 256M"
    (one,) = judge(read("mycnf", "[mysqld]\nexpire_logs_days=1"), "mycnf", "mysql", "8.4")
    assert one.message == "expire_logs_days is gone since mysql 8.4"
    assert one.because.startswith("not proven: ")
    (one,) = judge(read("redis", "max-memory 1mb"), "redis")
    assert one.instead == "maxmemory"


def test_the_guard_lets_deprecated_pass_and_tells_of_text_that_is_none():
    assert guard("[mysqld]\nexpire_logs_days=7", "mycnf", "mysql", "8.0") == ()
    assert [(one.kind, one.line) for one in guard("events {", "nginx")] == [(F, 1)]


def test_a_folder_decides_who_reads_a_file():
    assert dialect_of("/etc/systemd/system/a.service.d/60-deployer.conf") == "unit"
    assert dialect_of("/etc/sysctl.d/60-deployer.conf") == "sysctl"
    assert dialect_of("/etc/nginx/nginx.conf") == ""


@pytest.mark.parametrize(("dialect", "flavour"), [("perl", ""), ("mycnf", "oracle")])
def test_what_is_not_known_is_one_clear_error(dialect, flavour):
    with pytest.raises(UsageError, match=r"there is no registry for .*; there are "):
        registry(dialect, flavour)


def test_every_setting_has_one_line_and_every_registry_was_asked_of_a_binary():
    flavours = [("mycnf", "mariadb"), ("mycnf", "mysql"), ("redis", "redis"), ("redis", "valkey")]
    for dialect, flavour in [*flavours, *((one, "") for one in DIALECTS if one not in {"mycnf", "redis"})]:
        known = registry(dialect, flavour)
        assert known.asked, dialect
        assert set(known.asked) | set(known.not_proven) == set(known.versions)
        assert len(known.settings) > 50, dialect


def test_defaults_follow_the_release():
    known = registry("mycnf", "mysql").settings["innodb_io_capacity"]
    assert (known.default_in("8.0"), known.default_in("8.4"), known.default_in("9.7")) == ("200", "10000", "10000")
    assert registry("mycnf", "mariadb").settings["sort_buffer_size"].default_in("10.11") == "2097152"
    assert registry("postgresql").settings["shared_buffers"].default_in("17") == "16384"


NAMES = st.sampled_from(
    sorted({name for one in ("mycnf", "nginx", "unit", "postgresql") for name in registry(one).settings})
)
VALUES = st.one_of(
    st.sampled_from(["", "on", "1", "16M", "1GBX", "infinity", "5min", "-1", "x y", "$a"]), st.text(max_size=12)
)


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(max_examples=300, deadline=None)
@given(name=NAMES, value=VALUES, version=st.sampled_from(["", "1.22", "10.11.18", "x", "252", "99"]))
def test_any_value_of_any_setting_is_judged_without_a_fault(dialect, name, value, version):
    forms = {
        "mycnf": f"[mysqld]\n{name} = {value}",
        "nginx": f"{name} '{value}';",
        "unit": f"[Service]\n{name}={value}",
        "gunicorn": f"{name} = {value!r}",
        "postgresql": f"{name} = '{value}'",
        "redis": f"{name} {value}",
        "sysctl": f"{name} = {value}",
    }
    try:
        statements = read(dialect, forms[dialect])
    except DialectError:
        return
    judge(statements, dialect, "", version)


def test_a_release_between_two_that_were_asked_is_not_proven():
    known = registry("mycnf", "mariadb")
    assert known.is_proven("10.11")
    assert known.is_proven("10.11.14")
    assert not known.is_proven("10.5")
    assert not known.is_proven("10.110")
    assert "not proven" in known.source("10.5")


@pytest.mark.parametrize(
    ("full", "text"),
    [
        ("mycnf/mariadb/10.11", "[mysqld]\n" + "no_such = 1\n" * 50_000),
        ("nginx", "gzip on;" * 50_000),
        ("nginx", "brotli on;" * 50_000),
        ("unit", "[Service]\n" + "Nonsense=1\n" * 50_000),
        ("gunicorn", "nonsense = 1\n" * 50_000),
        ("postgresql", "nonsense = 1\n" * 50_000),
        ("redis", "nonsense 1\n" * 50_000),
        ("redis", "save " + "1 " * 400_000),
        ("sysctl", "vm.nonsense = 1\n" * 50_000),
    ],
    ids=lambda one: one[:20],
)
def test_a_file_of_nothing_but_faults_is_judged_in_seconds(full, text):
    began = time.process_time()
    found(full, text)
    assert time.process_time() - began < 10
