"""gunicorn's configuration, the one that `flask serve` uses, for `gunicorn --config deploy/gunicorn.conf.py wsgi:app`.

A line below the import overrides what is imported: each is a setting of gunicorn's.
"""

from jobs_server.gunicorn_conf import *  # noqa: F403
