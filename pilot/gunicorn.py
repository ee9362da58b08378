"""How gunicorn serves the pilot in production. Its log has no query strings: a search may hold a name."""

import os

bind = "0.0.0.0:8000"
workers = int(os.environ.get("WEB_CONCURRENCY", (os.cpu_count() or 1) * 2 + 1))
max_requests = 5000
max_requests_jitter = 500
timeout = 60
graceful_timeout = 20
preload_app = True  # workers share the memory of what never changes
worker_tmp_dir = "/dev/shm"  # noqa: S108 - in memory: a heartbeat on a slow disk ends healthy workers
accesslog = "-"
access_log_format = "%(t)s %(m)s %(U)s %(s)s %(B)s %(M)sms"
control_socket_disable = True
