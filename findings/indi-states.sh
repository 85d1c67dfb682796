#!/usr/bin/env bash
# INDI 1.9.9 (Debian's indi-bin 1.9.9+dfsg-2+b1, simulators): Ok is no sign that what was asked for has been reached,
# nor Busy one that it has not. A rotator asked for 370 or -10 degrees, beyond its limits, ends Ok at 10 and 350; a
# wheel asked for filter 2.6 ends Ok at 2; a mount that tracks says Busy of its tracking for as long as it tracks. Who
# waits for the value that was asked for, or for the Ok of tracking, waits for ever. Debian 12 on x86-64 only.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
{
    apt-get -o APT::Sandbox::User=root download -qq \
        indi-bin=1.9.9+dfsg-2+b1 libindidriver1=1.9.9+dfsg-2+b1 libnova-0.16-0 libcfitsio10 \
        libfftw3-double3 libtheora0 libogg0 libjpeg62-turbo libusb-1.0-0 libcurl3-gnutls &&
        for each in *.deb; do dpkg -x "$each" root; done
} || exit 2

HOME=$folder LD_LIBRARY_PATH=$folder/root/usr/lib/x86_64-linux-gnu python3 - <<'PYTHON'
import os
import re
import select
import subprocess
import sys
import time


class Driver:
    def __init__(self, kind, name):
        self.name = name
        self.process = subprocess.Popen(
            [f"root/usr/bin/indi_simulator_{kind}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )

    def __enter__(self):
        self.send('<getProperties version="1.7"/>')
        self.read("name='CONNECTION'.*?</defSwitchVector>")
        self.set("Switch", "CONNECTION", CONNECT="On")
        self.read("<setSwitchVector[^>]*'CONNECTION'.*?</setSwitchVector>")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(10)

    def send(self, element):
        self.process.stdin.write(element.encode())
        self.process.stdin.flush()

    def set(self, kind, vector, **members):
        each = "".join(f'<one{kind} name="{name}">{value}</one{kind}>' for name, value in members.items())
        self.send(f'<new{kind}Vector device="{self.name}" name="{vector}">{each}</new{kind}Vector>')

    def read(self, end, seconds=20):
        """What the driver writes up to the first piece that ends so, or in so many seconds."""
        text, until = "", time.monotonic() + seconds
        while not re.search(end, text, re.DOTALL) and (left := until - time.monotonic()) > 0:
            if select.select([self.process.stdout], [], [], left)[0]:
                piece = os.read(self.process.stdout.fileno(), 65536)
                if not piece:
                    sys.exit(2)
                text += piece.decode()
        return text

    def moved(self, vector, member, value):
        """The state and value at which a movement to a value ends."""
        self.set("Number", vector, **{member: value})
        text = self.read(rf"<setNumberVector[^>]*'{vector}'[^>]*state='(Ok|Alert|Idle)'.*?</setNumberVector>")
        end = rf"<setNumberVector[^>]*'{vector}'[^>]*state='(\w+)'.*?'{member}'>\s*(\S+)"
        return re.findall(end, text, re.DOTALL)[-1]


seen = {}
with Driver("rotator", "Rotator Simulator") as rotator:
    for value in ("5", "370", "-10"):
        seen[f"rotator, asked for {value}"] = rotator.moved("ABS_ROTATOR_ANGLE", "ANGLE", value)
with Driver("wheel", "Filter Simulator") as wheel:
    for value in ("4", "2.6"):
        seen[f"wheel, asked for {value}"] = wheel.moved("FILTER_SLOT", "FILTER_SLOT_VALUE", value)
with Driver("telescope", "Telescope Simulator") as mount:
    mount.set("Switch", "TELESCOPE_PARK", UNPARK="On")
    mount.read("<setSwitchVector[^>]*'TELESCOPE_PARK'.*?</setSwitchVector>")
    for name, member in (("begins", "TRACK_ON"), ("ends", "TRACK_OFF")):
        mount.set("Switch", "TELESCOPE_TRACK_STATE", **{member: "On"})
        text = mount.read("<message[^>]* nothing ends so", 6)
        states = re.findall(r"<setSwitchVector[^>]*'TELESCOPE_TRACK_STATE'[^>]*state='(\w+)'", text)
        seen[f"tracking, in six seconds after it {name}"] = states
stated = {
    "rotator, asked for 5": ("Ok", "5"),
    "rotator, asked for 370": ("Ok", "10"),
    "rotator, asked for -10": ("Ok", "350"),
    "wheel, asked for 4": ("Ok", "4"),
    "wheel, asked for 2.6": ("Ok", "2"),
    "tracking, in six seconds after it begins": ["Busy"],
    "tracking, in six seconds after it ends": ["Idle"],
}
for what, value in seen.items():
    print(f"{what}: {value}", "" if value == stated[what] else f"(stated: {stated[what]})")
sys.exit(seen != stated)
PYTHON
