#!/usr/bin/env bash
# INDI 1.9.9 (Debian's indi-bin 1.9.9+dfsg-2+b1, focuser simulator): a comma stands between whole parts and sixtieths, so
# that a decimal comma is taken for minutes: 1000,5 is 1000 and 5/60, answered Ok. The protocol names ":", ";" and
# blanks alone. indipyclient 0.9.4 refuses such a number. Debian 12 on x86-64 only.
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

NAME = "Focuser Simulator"
driver = subprocess.Popen(
    ["root/usr/bin/indi_simulator_focus"],
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


def focus(text):
    send(
        f'<newNumberVector device="{NAME}" name="ABS_FOCUS_POSITION">'
        f'<oneNumber name="FOCUS_ABSOLUTE_POSITION">{text}</oneNumber></newNumberVector>'
    )
    head = r"<setNumberVector[^>]*'ABS_FOCUS_POSITION'[^>]*state='(Ok|Alert)'"
    found = read(head + r".*?name='FOCUS_ABSOLUTE_POSITION'>\s*(\S+).*?</setNumberVector>")
    return found[1], round(float(found[2]), 3)


def by_client(text):
    try:
        return round(getfloat(text), 3)
    except Exception as error:  # whatever it raises is what it says
        return type(error).__name__


send('<getProperties version="1.7"/>')
read("name='CONNECTION'.*?</defSwitchVector>")
send(f'<newSwitchVector device="{NAME}" name="CONNECTION"><oneSwitch name="CONNECT">On</oneSwitch></newSwitchVector>')
read(r"name='ABS_FOCUS_POSITION'.*?</defNumberVector>")
seen = {}
for text in ("1000.5", "1000,5", "1000:5"):
    seen[f"{text} driver"] = focus(text)
    seen[f"{text} indipyclient"] = by_client(text)
driver.stdin.close()
driver.terminate()
driver.wait(10)
stated = {
    "1000.5 driver": ("Ok", 1000.5),
    "1000.5 indipyclient": 1000.5,
    "1000,5 driver": ("Ok", 1000.083),
    "1000,5 indipyclient": "TypeError",
    "1000:5 driver": ("Ok", 1000.083),
    "1000:5 indipyclient": 1000.083,
}
for what, value in seen.items():
    print(f"{what}: {value}", "" if value == stated[what] else f"(stated: {stated[what]})")
sys.exit(seen != stated)
PYTHON
