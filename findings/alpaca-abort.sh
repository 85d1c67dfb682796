#!/usr/bin/env bash
# alpaca-simulators 1.3.2, camera: AbortExposure makes the camera idle and takes ImageReady back, but the exposure goes
# on behind it. At its time ImageReady becomes true all the same. If the next exposure has begun by then, the camera is
# idle and ready before that is over, delivers the frame that was aborted, and gives it the length of the new one. Who
# starts anew after an abort must wait until the old exposure would have ended, or compare times. Dark frames; no
# network used.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -q alpaca-simulators==1.3.2 || exit 2
cd "$folder"

HOME=$folder venv/bin/python - <<'PYTHON'
import json
import socket
import struct
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
CAMERA = f"http://127.0.0.1:{port}/api/v1/camera/0/"
IDLE, EXPOSING = 0, 2
SHORT, LONG = 4, 14


def get(name):
    with urlopen(CAMERA + name, timeout=10) as answer:
        return json.load(answer)["Value"]


def put(name, **members):
    with urlopen(Request(CAMERA + name, urlencode(members).encode(), method="PUT"), timeout=10) as answer:
        if error := json.load(answer)["ErrorNumber"]:
            raise SystemExit(f"{name}: error {error:#x}")


def start(seconds):
    put("startexposure", Duration=seconds, Light="false")
    return time.monotonic()


def state():
    return get("camerastate"), get("imageready")


def wait_ready(begin):
    """The seconds from then until an image is ready, at most 25."""
    while not get("imageready") and time.monotonic() < begin + 25:
        time.sleep(0.1)
    return time.monotonic() - begin


def level():
    """The mean of the image, which is delivered as ImageBytes of 16 bits."""
    with urlopen(Request(CAMERA + "imagearray", headers={"Accept": "application/imagebytes"}), timeout=10) as answer:
        data = answer.read()
    pixels = struct.unpack(f"<{(len(data) - 44) // 2}H", data[44:])
    return sum(pixels) / len(pixels)


try:
    for _ in range(60):
        try:
            get("camerastate")
            break
        except OSError:
            time.sleep(0.5)
    else:
        sys.exit(2)
    put("connected", Connected="true")
    put("setccdtemperature", SetCCDTemperature=30)  # warm: the length of a dark frame shows in its level
    put("cooleron", CoolerOn="true")
    put("numx", NumX=64)
    put("numy", NumY=64)
    levels = {}
    for seconds in (SHORT, LONG):
        wait_ready(start(seconds))
        levels[seconds] = level()

    begin = start(SHORT)
    time.sleep(1)
    seen = {"exposing": state()}
    put("abortexposure")
    seen["aborted"] = state()
    wait_ready(begin)
    seen["aborted, and its time has passed"] = state()
    level()

    start(SHORT)
    time.sleep(1)
    put("abortexposure")
    second = start(LONG)
    time.sleep(0.5)
    seen["the next one"] = state()
    after = wait_ready(second)
    seen["ready before half of the next one's time"] = after < LONG / 2
    seen["state then"] = state()
    seen["length of the last exposure then"] = get("lastexposureduration")
    delivered = level()
    seen["level of the frame is that of"] = min(levels, key=lambda seconds: abs(levels[seconds] - delivered))
finally:
    server.kill()
    server.wait(10)
stated = {
    "exposing": (EXPOSING, False),
    "aborted": (IDLE, False),
    "aborted, and its time has passed": (IDLE, True),
    "the next one": (EXPOSING, False),
    "ready before half of the next one's time": True,
    "state then": (IDLE, True),
    "length of the last exposure then": LONG,
    "level of the frame is that of": SHORT,
}
print(f"dark levels: {levels}; the frame delivered: {delivered}, {after:.1f} seconds after the start of {LONG}")
for what, value in seen.items():
    print(f"{what}: {value}", "" if value == stated[what] else f"(stated: {stated[what]})")
sys.exit(seen != stated)
PYTHON
