#!/usr/bin/env bash
# fitsio 1.4.2: each byte beyond ASCII of a header's text is written as a blank, without a word; astropy 8.0.2 refuses
# such a text. Numbers are written with 15 digits and do not come back as they were: a Julian date is off by 0.1 ms.
# astropy's come back. A numpy boolean becomes the text 'True'.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -q fitsio==1.4.2 astropy==8.0.2 || exit 2
cd "$folder"

venv/bin/python - <<'PYTHON'
import sys
import warnings

import fitsio
import numpy as np
from astropy.io import fits

warnings.simplefilter("ignore")  # one names the boolean's type
JULIAN = 2461374.123456789
PIXELS = np.zeros((2, 3), dtype="uint16")


def by_fitsio(value):
    fitsio.write("fitsio.fits", PIXELS, header={"KEY": value}, clobber=True)
    return fits.getheader("fitsio.fits")["KEY"]


def by_astropy(value):
    try:
        header = fits.Header({"KEY": value})
    except ValueError:
        return "ValueError"
    fits.PrimaryHDU(PIXELS, header).writeto("astropy.fits", overwrite=True)
    return fits.getheader("astropy.fits")["KEY"]


stated = {
    "fitsio, text": "Zo   in the dome",
    "astropy, text": "ValueError",
    "fitsio, Julian date": 2461374.12345679,
    "astropy, Julian date": JULIAN,
    "fitsio, a third": 0.333333333333333,
    "astropy, a third": 1 / 3,
    "fitsio, numpy's True": "True",
}
seen = {
    "fitsio, text": by_fitsio("Zoë in the dome"),
    "astropy, text": by_astropy("Zoë in the dome"),
    "fitsio, Julian date": by_fitsio(JULIAN),
    "astropy, Julian date": by_astropy(JULIAN),
    "fitsio, a third": by_fitsio(1 / 3),
    "astropy, a third": by_astropy(1 / 3),
    "fitsio, numpy's True": by_fitsio(np.bool_(True)),
}
for what, value in seen.items():
    print(f"{what}: {value}", "" if value == stated[what] else f"(stated: {stated[what]})")
sys.exit(seen != stated)
PYTHON
