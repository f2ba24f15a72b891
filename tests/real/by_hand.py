"""A VPS that somebody set up by hand over the years: nginx, a site in gunicorn, MariaDB with data, Redis, cron."""

from __future__ import annotations

from deployer.sandbox import SandboxHost

NAME = "blog.example"
SHOP = "shop.example"
#: They stand in files, in a crontab and in the database by hand, and must be told to nobody.
PASSWORD = "by-hand-Database-4711"
TOKEN = "by-hand-token-0815abcdef"
UNIT = "myblog.service"
CERTIFICATE = "/etc/ssl/deployer-sandbox/cert.pem"
KEY = "/etc/ssl/deployer-sandbox/key.pem"
POSTS = 500

PACKAGES = "nginx mariadb-server redis-server cron gunicorn python3-pymysql curl"

APP = """\
import json, os, pymysql

def app(environ, start_response):
    link = pymysql.connect(user="blog", password=os.environ["DB_PASSWORD"], database="blog",
                           unix_socket="/run/mysqld/mysqld.sock")
    with link, link.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM posts")
        body = json.dumps({"served_by": "hand", "posts": cursor.fetchone()[0]}).encode()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [body]
"""

SERVICE = """\
[Unit]
Description=my blog
After=network.target mariadb.service

[Service]
User=www-data
WorkingDirectory=/srv/myblog
EnvironmentFile=/srv/myblog/.env
ExecStart=/srv/myblog/venv/bin/python -m gunicorn --workers 2 --bind 127.0.0.1:8000 app:app
Restart=always

[Install]
WantedBy=multi-user.target
"""

SITE = f"""\
server {{
    listen 80;
    server_name {NAME} www.{NAME};
    location / {{ return 301 https://$host$request_uri; }}
}}
server {{
    listen 443 ssl;
    server_name {NAME} www.{NAME};
    ssl_certificate {CERTIFICATE};
    ssl_certificate_key {KEY};
    location /uploads/ {{ alias /srv/myblog/uploads/; }}
    location / {{
        proxy_set_header Host $host;
        proxy_set_header X-Internal-Token "{TOKEN}";
        proxy_pass http://127.0.0.1:8000;
    }}
}}
"""
SHOP_SITE = f"""\
server {{
    listen 80;
    server_name {SHOP};
    root /srv/shop;
}}
"""
#: What they changed in Debian's nginx.conf: one line in its middle, and one that holds a secret.
EDITED = (
    f"s/worker_connections .*/worker_connections 333; # by hand, 2019/; s|^http {{|http {{\\n\\tmap $http_x_k $known "
    f'{{ default 0; "{TOKEN}" 1; }}|'
)

SQL = f"""\
CREATE DATABASE blog CHARACTER SET utf8mb4;
CREATE USER 'blog'@'localhost' IDENTIFIED BY '{PASSWORD}';
GRANT ALL ON blog.* TO 'blog'@'localhost';
USE blog;
CREATE TABLE posts (id INT PRIMARY KEY, title VARCHAR(200), body TEXT);
INSERT INTO posts SELECT seq, CONCAT('post ', seq), REPEAT(MD5(seq), 20) FROM seq_1_to_{POSTS};
"""

SETUP = f"""
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update >/dev/null; apt-get -qqy --no-install-recommends install {PACKAGES} >/dev/null 2>&1
sed -i '{EDITED}' /etc/nginx/nginx.conf
cat > /etc/nginx/sites-available/default <<'END'
{SITE}END
cat > /etc/nginx/sites-available/shop <<'END'
{SHOP_SITE}END
ln -s /etc/nginx/sites-available/shop /etc/nginx/sites-enabled/shop
echo 'gzip_comp_level 4; # by hand' > /etc/nginx/conf.d/tuning.conf
mkdir -p /srv/shop /srv/myblog/uploads
echo 'the shop' > /srv/shop/index.html
echo 'a picture' > /srv/myblog/uploads/one.txt
cat >> /etc/mysql/my.cnf <<'END'
[mysqld]
max_connections = 77
innodb_buffer_pool_size = 64M
[client]
password = {PASSWORD}
END
systemctl restart mariadb
mariadb <<'END'
{SQL}END
cat > /srv/myblog/app.py <<'END'
{APP}END
printf 'DB_PASSWORD={PASSWORD}\\n' > /srv/myblog/.env; chmod 600 /srv/myblog/.env
python3 -m venv --system-site-packages --without-pip /srv/myblog/venv
cat > /etc/systemd/system/{UNIT} <<'END'
{SERVICE}END
echo '17 3 * * * root mysqldump -ublog -p{PASSWORD} blog > /srv/myblog/dump.sql' > /etc/cron.d/myblog
redis-cli mset one 1 two 2 three 3 >/dev/null; redis-cli save >/dev/null
systemctl daemon-reload
systemctl enable --now --quiet {UNIT}
systemctl restart nginx
for try in $(seq 50); do curl -fsk -H 'Host: {NAME}' https://127.0.0.1/ >/dev/null && break; sleep 0.1; done
"""


def set_up(host: SandboxHost) -> None:
    """Make all of it; 25 s on an idle machine."""
    host.sh(SETUP, timeout_s=300)
