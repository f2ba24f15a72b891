# Written by deployer from inventory entry vps-2c4g: 2 cores, 4096 MiB, 1000 connections.
# The next deploy undoes changes made here; change the inventory, or template gunicorn/gunicorn.conf.py.j2.
#   MemoryMax = 184 MiB: fixed 120 + share 64 (derived)
#   workers = 2 processes: one event loop keeps one core busy; 2 fit into 184 MiB (derived)
#   timeout = 30 s: a silent worker is replaced then (default)
#   graceful_timeout = 20 s: less than the unit's TimeoutStopSec (default)
#   keepalive = 75 s: longer than nginx keeps an idle connection to the app (default)
#   backlog = 4096 connections: a burst of visitors waits in the kernel; more than it takes is cut (default)
#   max_requests = 20000 requests: a worker is replaced now and then, against leaks; a tenth of it is jitter (default)
#   max_requests_jitter = 2000 requests: a tenth: workers are not all replaced at once (derived)

import os
import signal

# The socket is systemd's (app-blog.socket); gunicorn takes it over from LISTEN_FDS.
workers = 2
worker_class = "asgi"
timeout = 30
graceful_timeout = 20
keepalive = 75
backlog = 4096
max_requests = 20000
max_requests_jitter = 2000
worker_tmp_dir = "/dev/shm"
# Only nginx can reach the socket, so what it says about the visitor is true.
forwarded_allow_ips = "*"
control_socket_disable = True
accesslog = None
errorlog = "-"
loglevel = "info"
proc_name = "blog"


def post_worker_init(worker):
    # an event loop listens again: gunicorn's own worker asks for 100 then, aiohttp's for 128, uvicorn's for what is right
    loop = getattr(worker, "loop", None)
    if loop is not None:
        listen = loop.create_server
        loop.create_server = lambda *server, **how: listen(*server, **{**how, "backlog": backlog})


def child_exit(server, worker):
    # a candidate is asked once: visitors may be waiting while its master tries again and again
    if os.environ.get("PROCESS_NUMBER") == "0":
        os.kill(server.pid, signal.SIGTERM)
