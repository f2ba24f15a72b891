"""VPSes that somebody set up by hand with another database server than MariaDB, and the app that takes each over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from by_hand import CERTIFICATE, KEY, NAME, PASSWORD, POSTS, UNIT
from taken_over import TakenOver, lock_of

from deployer.sandbox import SandboxHost

OLD_APP = """\
import json, os
{connect}

def app(environ, start_response):
    link = connect()
    cursor = link.cursor()
    cursor.execute("SELECT COUNT(*) FROM posts")
    body = json.dumps({{"served_by": "hand", "posts": cursor.fetchone()[0]}}).encode()
    link.close()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [body]
"""
#: Counts, and writes a row if it is asked to.
NEW_APP = """\
import asyncio, json, os
from pathlib import Path
{connect}

def app(environ, start_response):
    posts = asyncio.run(counted(environ["PATH_INFO"] == "/write"))
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({{"served_by": "deployer", "posts": posts}}).encode()]
"""
SETUP = """\
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update >/dev/null; apt-get -qqy --no-install-recommends install {packages} >/dev/null 2>&1
sed -i 's/worker_connections .*/worker_connections 333; # by hand, 2019/' /etc/nginx/nginx.conf
rm -f /etc/nginx/sites-enabled/default
cat > /etc/nginx/conf.d/blog.conf <<'END'
server {{
    listen 80;
    listen 443 ssl;
    server_name {name};
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    location /uploads/ {{ alias /srv/myblog/uploads/; }}
    location / {{ proxy_set_header Host $host; proxy_pass http://127.0.0.1:8000; }}
}}
END
mkdir -p /srv/myblog/uploads
echo 'a picture' > /srv/myblog/uploads/one.txt
cat > /srv/myblog/app.py <<'END'
{old_app}END
printf 'DB_PASSWORD={password}\\n' > /srv/myblog/.env; chmod 600 /srv/myblog/.env
python3 -m venv --system-site-packages --without-pip /srv/myblog/venv
cat > /etc/systemd/system/{unit} <<'END'
[Unit]
After=network.target {server}

[Service]
User=www-data
WorkingDirectory=/srv/myblog
EnvironmentFile=/srv/myblog/.env
ExecStart=/srv/myblog/venv/bin/python -m gunicorn --workers 2 --bind 127.0.0.1:8000 app:app
Restart=always

[Install]
WantedBy=multi-user.target
END
{database}
systemctl daemon-reload
systemctl enable --now --quiet {unit}
systemctl restart nginx
"""


@dataclass(frozen=True, kw_only=True)
class HandMade:
    """One kind of host.

    Attributes:
        suite: Its Debian.
        services: What its inventory says.
        server: The unit of its database server.
        packages: Of the server, and of the driver of the old app.
        old, new: Programs that connect and count.
        locked: Packages of the new app, and the example whose lock file has them.
        database: Makes the database with its rows, and settings by hand.
        told: A command that tells all its rows and who may log in.
        login: A command that counts the rows with the password by hand; login_when_taken: as long as deployer serves.
        page: What the page has to say of the database.
        is_shared: Both apps use the same database; else the new one has a copy.
        outranking: What the page says of the settings by hand that would count more, and a command that takes them out.
    """

    suite: str
    services: dict[str, Any]
    server: str
    packages: str
    old: str
    new: str
    locked: tuple[str, tuple[str, ...]]
    database: str
    told: str
    login: str
    login_when_taken: str
    page: tuple[str, ...]
    outranking: tuple[str, str]
    is_shared: bool = True

    def set_up(self, host: SandboxHost) -> None:
        """Make it, as its owner did over the years."""
        script = SETUP.format(
            packages=f"nginx gunicorn curl {self.packages}",
            name=NAME,
            certificate=CERTIFICATE,
            key=KEY,
            old_app=OLD_APP.format(connect=self.old),
            password=PASSWORD,
            unit=UNIT,
            server=self.server,
            database=self.database,
        )
        host.sh(script, timeout_s=400)


@dataclass
class TakenFrom(TakenOver):
    """One inventory entry for such a host."""

    by_hand: HandMade = field(kw_only=True)

    def write(self, **changes: Any) -> None:
        server = next(iter(self.by_hand.services))
        example, names = self.by_hand.locked
        super().write(
            services=self.by_hand.services,
            apps__blog__uses=[],
            apps__blog__server_names=[NAME],
            apps__blog__database={"server": server},
            **changes,
        )
        (self.source / "myblog.py").write_text(NEW_APP.format(connect=self.by_hand.new))
        (self.source / "requirements.lock").write_text(lock_of(names, example))


POSTGRESQL = HandMade(
    suite="bookworm",
    services={"postgresql": {}},
    server="postgresql@15-main.service",
    packages="postgresql python3-psycopg2",
    old="""\
import psycopg2

def connect():
    return psycopg2.connect(host="127.0.0.1", user="blog", password=os.environ["DB_PASSWORD"], dbname="blog")
""",
    new="""\
import asyncpg

async def counted(writes):
    names = {"user": os.environ["DB_USER"], "database": os.environ["DB_NAME"]}
    link = await asyncpg.connect(host=os.environ["DB_SOCKET"], **names)
    if writes:
        await link.execute("CREATE TABLE IF NOT EXISTS later (id int); INSERT INTO posts VALUES (9001, 'new', 'x')")
    found = await link.fetchval("SELECT COUNT(*) FROM posts")
    await link.close()
    return found
""",
    locked=("notes", ("asyncpg", "gunicorn")),
    database=f"""\
cd /; as="runuser -u postgres --"
$as psql -q -c "CREATE ROLE blog LOGIN PASSWORD '{PASSWORD}'" -c "CREATE DATABASE blog OWNER blog" \
    -c "CREATE ROLE shop LOGIN" -c "CREATE DATABASE shop OWNER shop"
PGPASSWORD='{PASSWORD}' psql -q -h 127.0.0.1 -U blog blog <<'END'
CREATE TABLE posts (id int PRIMARY KEY, title varchar(200), body text);
INSERT INTO posts SELECT i, 'post ' || i, repeat(md5(i::text), 20) FROM generate_series(1, {POSTS}) i;
END
$as psql -q shop -c "CREATE TABLE orders AS SELECT generate_series(1, 77) AS id"
printf 'max_connections = 77\\nwork_mem = 9MB\\n' >> /etc/postgresql/15/main/postgresql.conf
echo 'random_page_cost = 3' > /etc/postgresql/15/main/conf.d/10-tuning.conf
systemctl restart postgresql@15-main
""",
    told="""\
cd /; for name in blog shop; do runuser -u postgres -- pg_dump $name | grep -v '^.\\(un\\)\\?restrict' | sha256sum; done
runuser -u postgres -- psql -qAtc "SELECT rolname, rolcanlogin, rolpassword FROM pg_authid ORDER BY 1" \
    -c "SELECT datname, pg_get_userbyid(datdba), datacl FROM pg_database ORDER BY 1" \
    -c "SELECT roleid::regrole, member::regrole FROM pg_auth_members ORDER BY 1, 2" \
    -c "SELECT setconfig FROM pg_db_role_setting"
""",
    login=f"PGPASSWORD='{PASSWORD}' psql -qAt -h 127.0.0.1 -U blog blog -c 'SELECT COUNT(*) FROM posts'",
    login_when_taken="",  # it came over TCP, and at the socket Debian lets no password in: the page says so
    page=(
        "acts as role blog, to whom it belongs",
        "local blog blog scram-sha-256",
        "postgres listens on port 5432 now",
    ),
    outranking=(
        "max_connections = 77 in /etc/postgresql/15/main/postgresql.conf",
        "sed -Ei '/^(max_connections = 77|work_mem = 9MB)$/d' /etc/postgresql/15/main/postgresql.conf",
    ),
)
MYSQL_LOGIN = f"MYSQL_PWD='{PASSWORD}' mysql --no-defaults -BN -u blog blog -e 'SELECT COUNT(*) FROM posts'"
MYSQL = HandMade(
    suite="sid",
    services={"mysql": {"flavour": "mysql", "version": "9.7"}, "nginx": {"version": "1.30"}},
    server="mysql.service",
    packages="mysql-server python3-pymysql",
    old="""\
import pymysql

def connect():
    return pymysql.connect(user="blog", password=os.environ["DB_PASSWORD"], database="blog",
                           unix_socket="/run/mysqld/mysqld.sock")
""",
    new="""\
import asyncmy

async def counted(writes):
    password = (Path(os.environ["CREDENTIALS_DIRECTORY"]) / "database_password").read_text().strip()
    names = {"user": os.environ["DB_USER"], "db": os.environ["DB_NAME"], "unix_socket": os.environ["DB_SOCKET"]}
    link = await asyncmy.connect(password=password, autocommit=True, **names)
    async with link.cursor() as cursor:
        if writes:
            await cursor.execute("CREATE TABLE IF NOT EXISTS later (id int)")
            await cursor.execute("INSERT INTO posts VALUES (9001, 'new', 'x')")
        await cursor.execute("SELECT COUNT(*) FROM posts")
        found = await cursor.fetchone()
    await link.ensure_closed()
    return found[0]
""",
    locked=("blog", ("asyncmy", "gunicorn")),
    database=f"""\
mysql <<'END'
CREATE DATABASE blog CHARACTER SET utf8mb4;
CREATE USER 'blog'@'localhost' IDENTIFIED BY '{PASSWORD}';
GRANT ALL ON blog.* TO 'blog'@'localhost';
USE blog;
SET cte_max_recursion_depth = 10000;
CREATE TABLE posts (id INT PRIMARY KEY, title VARCHAR(200), body TEXT);
INSERT INTO posts WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {POSTS})
    SELECT i, CONCAT('post ', i), REPEAT(SHA2(i, 256), 10) FROM n;
CREATE DATABASE shop;
CREATE TABLE shop.orders AS SELECT id FROM blog.posts LIMIT 77;
END
printf '[mysqld]\\nmax_connections = 77\\n' >> /etc/mysql/my.cnf
printf '[mysqld]\\ninnodb_buffer_pool_size = 64M\\n' > /etc/mysql/mysql.conf.d/tuning.cnf
systemctl restart mysql
""",
    told="""\
for name in blog shop; do mysqldump --skip-comments --set-gtid-purged=OFF $name | sha256sum; done
mysql -BN -e "SELECT User, Host, plugin, HEX(authentication_string), User_attributes FROM mysql.user"
mysql -BN -e "SELECT * FROM mysql.db"
""",
    login=MYSQL_LOGIN,
    login_when_taken=MYSQL_LOGIN,
    page=("besides its own, which stays valid",),
    outranking=("max_connections = 77 in /etc/mysql/my.cnf", "sed -i '/^max_connections = 77$/d' /etc/mysql/my.cnf"),
)
OLD_FILE, NEW_FILE = "/srv/myblog/data/blog.db", "/var/lib/app-blog/blog.db"
_DUMP = "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).iterdump())"
_FILL = f"""\
import sqlite3
for name, rows in (("blog", {POSTS}), ("shop", 77)):
    link = sqlite3.connect(f"/srv/myblog/data/{{name}}.db")
    link.execute("PRAGMA journal_mode = WAL")
    link.execute("CREATE TABLE posts (id INTEGER PRIMARY KEY, title TEXT, body TEXT)")
    link.executemany("INSERT INTO posts VALUES (?, ?, ?)", [(i, f"post {{i}}", "x" * 600) for i in range(rows)])
    link.commit()
"""
SQLITE = HandMade(
    suite="bookworm",
    services={"sqlite": {}},
    server="ssh.service",  # there is none: one that runs, whatever happens
    packages="python3",
    old=f"""\
import sqlite3

def connect():
    return sqlite3.connect("{OLD_FILE}")
""",
    new="""\
import sqlite3

async def counted(writes):
    link = sqlite3.connect(os.environ["DATABASE_PATH"])
    if writes:
        link.execute("INSERT INTO posts VALUES (9001, 'new', 'x')")
        link.commit()
    return link.execute("SELECT COUNT(*) FROM posts").fetchone()[0]
""",
    locked=("blog", ("gunicorn", "packaging")),
    database=f"""\
install -d -o www-data -g www-data -m 700 /srv/myblog/data
cat > /tmp/fill.py <<'END'
{_FILL}END
runuser -u www-data -- python3 /tmp/fill.py
""",
    told=f"""\
file={OLD_FILE}; systemctl is-active --quiet {UNIT} || file={NEW_FILE}
for path in $file /srv/myblog/data/shop.db; do python3 -c '{_DUMP}' $path | sha256sum; done
""",
    login=f'python3 -c \'import sqlite3; print(sqlite3.connect("{OLD_FILE}").execute("SELECT COUNT(*) FROM posts")'
    ".fetchone()[0])'",
    login_when_taken="",
    page=(f"app blog gets a copy, {NEW_FILE}, made once {UNIT} has stopped",),
    outranking=("", "true"),
    is_shared=False,
)
