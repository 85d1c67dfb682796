"""The service, except that it dies when told to: after its work is committed, before a byte of the reply is sent.

Started by a WSGI server as `tests.faults.dying:app`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from typing import TYPE_CHECKING

from jobs_server.wsgi import application

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_service = application()


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Serve, or die with the reply in hand."""
    reply = _service(environ, start_response)
    if "HTTP_X_DIE" in environ:
        os.kill(os.getpid(), signal.SIGKILL)
    return reply
