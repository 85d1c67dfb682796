#!/usr/bin/env bash
# alpyca 3.1.3: a mount's clock set with a datetime is sent with an offset, +00:00 or that of its zone, or with none;
# never with Z. Its own documentation asks for Z in a text and warns of offsets. A device's answer without Z, which is
# UTC all the same, comes back as a datetime without a zone, which Python does not compare with one that has a zone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -q alpyca==3.1.3 || exit 2
cd "$folder"

venv/bin/python - <<'PYTHON'
import json
import sys
import threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from alpaca.telescope import Telescope

received = []


class Device(BaseHTTPRequestHandler):
    """An Alpaca device with a clock."""

    def do_GET(self):
        self.answer({"Value": "2026-11-29T12:00:00.0000000"})

    def do_PUT(self):
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        received.append(form["UTCDate"][0])
        self.answer({})

    def answer(self, more):
        body = json.dumps({"ErrorNumber": 0, "ErrorMessage": ""} | more).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Device)
threading.Thread(target=server.serve_forever, daemon=True).start()
mount = Telescope(f"127.0.0.1:{server.server_port}", 0)


def sent(value):
    mount.UTCDate = value
    return received[-1]


seen = {
    "sent, in UTC": sent(datetime(2026, 11, 29, 12, tzinfo=timezone.utc)),
    "sent, in a zone of five hours": sent(datetime(2026, 11, 29, 17, tzinfo=timezone(timedelta(hours=5)))),
    "sent, without a zone": sent(datetime(2026, 11, 29, 12)),
    "read: its zone": mount.UTCDate.tzinfo,
}
stated = {
    "sent, in UTC": "2026-11-29T12:00:00+00:00",
    "sent, in a zone of five hours": "2026-11-29T17:00:00+05:00",
    "sent, without a zone": "2026-11-29T12:00:00",
    "read: its zone": None,
}
for what, value in seen.items():
    print(f"{what}: {value}", "" if value == stated[what] else f"(stated: {stated[what]})")
sys.exit(seen != stated)
PYTHON
