#!/usr/bin/env bash
# alpaca-simulators 1.3.2: an answer without an error is no sign that a device does what it was told, nor that it keeps
# what it says of itself. The focuser, which may move 1000 steps at once, moves 40000, and for a place beyond its ends it
# stops at the end. The mount that is parked says that it tracks, and refuses to slew because it is parked.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -q alpaca-simulators==1.3.2 || exit 2
cd "$folder"

HOME=$folder venv/bin/python - <<'PYTHON'
import json
import socket
import subprocess
import sys
import time
from urllib.parse import urlencode
from urllib.request import Request, urlopen

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = str(free.getsockname()[1])
server = subprocess.Popen(
    ["venv/bin/alpaca-simulators", "--host", "127.0.0.1", "--port", port],
    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
)


def ask(name, members=None):
    """Return the value of a property, or the number of an error; 0 for a command that was taken."""
    body = urlencode(members).encode() if members else None
    request = Request(f"http://127.0.0.1:{port}/api/v1/{name}", body, method="PUT" if members else "GET")
    with urlopen(request, timeout=10) as answer:
        read = json.load(answer)
    return hex(read["ErrorNumber"]) if read["ErrorNumber"] else read.get("Value", 0)


def connect(device):
    deadline = time.monotonic() + 60
    while True:
        try:
            return ask(f"{device}/0/connected", {"Connected": "true"})
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                sys.exit(2)
            time.sleep(0.2)


def focus(place):
    """Return what is answered, and where the focuser comes to rest."""
    answer, deadline = ask("focuser/0/move", {"Position": place}), time.monotonic() + 30
    while ask("focuser/0/ismoving"):
        if time.monotonic() > deadline:
            sys.exit(2)
        time.sleep(0.1)
    return answer, ask("focuser/0/position")


try:
    connect("focuser")
    connect("telescope")
    seen = {
        "focuser: MaxIncrement, MaxStep": (ask("focuser/0/maxincrement"), ask("focuser/0/maxstep")),
        "focuser to 10000": focus(10_000),
        "focuser to 50000": focus(50_000),
        "focuser to 200000": focus(200_000),
        "focuser to -5": focus(-5),
        "mount: parked, told to track": (ask("telescope/0/atpark"), ask("telescope/0/tracking", {"Tracking": "true"})),
        "mount: parked, says that it tracks": (ask("telescope/0/atpark"), ask("telescope/0/tracking")),
        "mount: told to slew": ask("telescope/0/slewtocoordinatesasync", {"RightAscension": 1, "Declination": 60}),
    }
finally:
    server.terminate()
    server.wait(10)
stated = {
    "focuser: MaxIncrement, MaxStep": (1000, 100_000),
    "focuser to 10000": (0, 10_000),
    "focuser to 50000": (0, 50_000),
    "focuser to 200000": (0, 100_000),
    "focuser to -5": (0, 0),
    "mount: parked, told to track": (True, 0),
    "mount: parked, says that it tracks": (True, True),
    "mount: told to slew": "0x408",
}
for what, value in seen.items():
    print(f"{what}: {value}", "" if value == stated[what] else f"(stated: {stated[what]})")
sys.exit(seen != stated)
PYTHON
