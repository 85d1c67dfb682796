#!/usr/bin/env bash
# INDI 1.9.9 (Debian's indi-bin 1.9.9+dfsg-2+b1, telescope simulator): a latitude of 47 42 00 is taken for the number
# 474200 and answered Ok, although INDI's protocol allows blanks, as well as ":" and ";", between the parts of a number.
# indipyclient 0.9.4 reads the same text as 47.7, so that client and driver mean different numbers. The limits that the
# driver itself publishes (-90 to 90) refuse nothing. Debian 12 on x86-64 only.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -q indipyclient==0.9.4 || exit 2
cd "$folder"
{
    apt-get -o APT::Sandbox::User=root download -qq \
        indi-bin=1.9.9+dfsg-2+b1 libindidriver1=1.9.9+dfsg-2+b1 libnova-0.16-0 libcfitsio10 \
        libfftw3-double3 libtheora0 libogg0 libjpeg62-turbo libusb-1.0-0 libcurl3-gnutls &&
        for each in *.deb; do dpkg -x "$each" root; done
} || exit 2

HOME=$folder LD_LIBRARY_PATH=$folder/root/usr/lib/x86_64-linux-gnu venv/bin/python - <<'PYTHON'
import re
import subprocess
import sys

from indipyclient.propertymembers import getfloat

NAME = "Telescope Simulator"
driver = subprocess.Popen(
    ["root/usr/bin/indi_simulator_telescope"],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
)


def send(element):
    driver.stdin.write(element)
    driver.stdin.flush()


def read(end):
    """Read up to the first piece that ends so; a driver that ends makes it fail."""
    text = ""
    while not (found := re.search(end, text, re.DOTALL)):
        line = driver.stdout.readline()
        if not line:
            sys.exit(2)
        text += line
    return found


def latitude(text):
    place = {"LAT": text, "LONG": "12", "ELEV": "9"}
    members = "".join(f'<oneNumber name="{name}">{value}</oneNumber>' for name, value in place.items())
    send(f'<newNumberVector device="{NAME}" name="GEOGRAPHIC_COORD">{members}</newNumberVector>')
    head = r"<setNumberVector[^>]*'GEOGRAPHIC_COORD'[^>]*state='(\w+)'"
    found = read(head + r".*?name='LAT'>\s*(\S+).*?</setNumberVector>")
    return found[1], round(float(found[2]), 4)


send('<getProperties version="1.7"/>')
read("name='CONNECTION'.*?</defSwitchVector>")
send(f'<newSwitchVector device="{NAME}" name="CONNECTION"><oneSwitch name="CONNECT">On</oneSwitch></newSwitchVector>')
low, high = read(r"name='GEOGRAPHIC_COORD'.*?name='LAT'.*?min='(\S+?)'.*?max='(\S+?)'.*?</defNumberVector>").groups()
stated = {
    "limits": ("-90", "90"),
    "47:42:00 driver": ("Ok", 47.7),
    "47:42:00 indipyclient": 47.7,
    "47;42;00 driver": ("Ok", 47.7),
    "47;42;00 indipyclient": 47.7,
    "47 42 00 driver": ("Ok", 474200.0),
    "47 42 00 indipyclient": 47.7,
}
seen = {"limits": (low, high)}
for text in ("47:42:00", "47;42;00", "47 42 00"):
    seen[f"{text} driver"] = latitude(text)
    seen[f"{text} indipyclient"] = round(getfloat(text), 4)
driver.stdin.close()
driver.terminate()
driver.wait(10)
for what, value in seen.items():
    print(f"{what}: {value}", "" if value == stated[what] else f"(stated: {stated[what]})")
sys.exit(seen != stated)
PYTHON
