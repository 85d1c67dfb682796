#!/usr/bin/env bash
# INDI 1.9.9 (Debian's indi-bin 1.9.9+dfsg-2+b1, simulators), what a program meets that speaks with a driver itself,
# without indiserver between them. The drivers begin their properties, each of them, with an XML declaration, so that
# what they send is XML neither as it comes nor inside a root element. And the focuser does not answer a getProperties
# that names it, nor a command, before it got a getProperties that names nobody; four other drivers answer at once.
# Debian 12 on x86-64 only.
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
from xml.parsers import expat

NAMES = {
    "ccd": "CCD Simulator",
    "focus": "Focuser Simulator",
    "rotator": "Rotator Simulator",
    "telescope": "Telescope Simulator",
    "wheel": "Filter Simulator",
}


class Driver:
    def __init__(self, kind):
        self.process = subprocess.Popen(
            [f"root/usr/bin/indi_simulator_{kind}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )

    def answer(self, element):
        """What comes for an element: all before two seconds of silence, at most in twenty."""
        self.process.stdin.write(element.encode())
        self.process.stdin.flush()
        text, until = "", time.monotonic() + 20
        while time.monotonic() < until and select.select([self.process.stdout], [], [], 2)[0]:
            piece = os.read(self.process.stdout.fileno(), 65536)
            if not piece:
                sys.exit(2)
            text += piece.decode()
        return text

    def end(self):
        self.process.kill()
        self.process.wait(10)


def parsed(text):
    """What a parser of XML says to a text."""
    try:
        expat.ParserCreate().Parse(text, True)
    except expat.ExpatError as error:
        return expat.errors.messages[error.code]
    return "fine"


seen = {}
for kind, name in NAMES.items():
    driver = Driver(kind)
    named, all_of_them = f'<getProperties version="1.7" device="{name}"/>', '<getProperties version="1.7"/>'
    on = '<oneSwitch name="CONNECT">On</oneSwitch>'
    connect = f'<newSwitchVector device="{name}" name="CONNECTION">{on}</newSwitchVector>'
    try:
        seen[f"{kind}: answers when named"] = "'CONNECTION'" in driver.answer(named)
        if kind == "focus":
            seen[f"{kind}: answers when named again"] = driver.answer(named) != ""
            seen[f"{kind}: answers a command"] = driver.answer(connect) != ""
        text = driver.answer(all_of_them)
        seen[f"{kind}: answers when nobody is named"] = "'CONNECTION'" in text
        if kind == "focus":
            seen[f"{kind}: answers when named, after that"] = "'CONNECTION'" in driver.answer(named)
    finally:
        driver.end()
    properties = len(re.findall(r"<def\w+Vector", text))
    seen[f"{kind}: a declaration for each property, at least"] = text.count("<?xml") >= properties > 1
    seen[f"{kind}: as it comes"] = parsed(text)
    seen[f"{kind}: in a root element"] = parsed(f"<all>{text}</all>")
stated = {
    "focus: answers when named": False,
    "focus: answers when named again": False,
    "focus: answers a command": False,
    "focus: answers when nobody is named": True,
    "focus: answers when named, after that": True,
}
for kind in NAMES:
    stated |= {
        f"{kind}: answers when named": kind != "focus",
        f"{kind}: answers when nobody is named": True,
        f"{kind}: a declaration for each property, at least": True,
        f"{kind}: as it comes": "junk after document element",
        f"{kind}: in a root element": "XML or text declaration not at start of entity",
    }
for what, value in seen.items():
    print(f"{what}: {value}", "" if value == stated[what] else f"(stated: {stated[what]})")
sys.exit(seen != stated)
PYTHON
