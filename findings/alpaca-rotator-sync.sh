#!/usr/bin/env bash
# alpaca-simulators 1.3.2, rotator: Sync holds until the next move. After it the angle on the sky and the mechanical one
# differ, as they should; each of Move, MoveAbsolute and MoveMechanical then makes them equal again, so that the camera
# is said to stand at the angle that was asked for while it is off by all that Sync had corrected.
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
ROTATOR = f"http://127.0.0.1:{port}/api/v1/rotator/0/"


def get(name):
    with urlopen(ROTATOR + name, timeout=10) as answer:
        return json.load(answer)["Value"]


def put(name, **members):
    with urlopen(Request(ROTATOR + name, urlencode(members).encode(), method="PUT"), timeout=10) as answer:
        if error := json.load(answer)["ErrorNumber"]:
            raise SystemExit(f"{name}: error {error:#x}")


def move(name, angle):
    put(name, Position=angle)
    deadline = time.monotonic() + 30
    while get("ismoving"):
        if time.monotonic() > deadline:
            sys.exit(2)
        time.sleep(0.1)
    return get("position"), get("mechanicalposition")


def connect():
    deadline = time.monotonic() + 60
    while True:
        try:
            return put("connected", Connected="true")
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                sys.exit(2)
            time.sleep(0.2)


seen = {}
try:
    connect()
    for name, angle in (("move", 5), ("moveabsolute", 40), ("movemechanical", 100)):
        move("movemechanical", 90)
        put("sync", Position=10)
        seen[f"90 is synced to 10: on the sky, mechanical ({name})"] = get("position"), get("mechanicalposition")
        seen[f"after {name} {angle}"] = move(name, angle)
finally:
    server.terminate()
    server.wait(10)
stated = {
    "90 is synced to 10: on the sky, mechanical (move)": (10, 90),
    "after move 5": (15, 15),  # and not (15, 95)
    "90 is synced to 10: on the sky, mechanical (moveabsolute)": (10, 90),
    "after moveabsolute 40": (40, 40),  # and not (40, 120)
    "90 is synced to 10: on the sky, mechanical (movemechanical)": (10, 90),
    "after movemechanical 100": (100, 100),  # and not (20, 100)
}
for what, value in seen.items():
    print(f"{what}: {value}", "" if value == stated[what] else f"(stated: {stated[what]})")
sys.exit(seen != stated)
PYTHON
