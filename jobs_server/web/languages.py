"""The languages of the pages: which one a browser is shown, and its catalogue, which is read when it is first wanted.

English needs neither a catalogue nor Flask-Babel, so that a server whose visitors read English loads neither.
"""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from flask import current_app
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from ..domain.language import ENGLISH, Language

if TYPE_CHECKING:
    from babel import Locale

LANGUAGES = {"en": "English", "de": "Deutsch", "es": "Español"}
"""By code, how a language calls itself."""
WIRE = "wire"
"""The context of names of the wire in catalogues: `open` is a deed there, and elsewhere how a roof is."""
FOLDER = Path(__file__).parent / "translations"
"""Where the catalogues are: `CODE/LC_MESSAGES/messages.po`, and `messages.mo` made of that."""


@lru_cache(maxsize=256)
def wished(accepted: str) -> str:
    """Return the code of the language that a browser likes best of those that are here; English where it likes none."""
    for tag, quality in parse_accept_header(accepted, LanguageAccept):
        code = tag.replace("_", "-").partition("-")[0].casefold()
        if quality > 0 and code in LANGUAGES:
            return code
    return ENGLISH.code


@cache
def language(code: str) -> Language:
    """Return the language of a code, with its catalogue; needs an app."""
    return ENGLISH if code == ENGLISH.code else _read(code)


def _read(code: str) -> Language:
    import flask_babel  # with Babel, which pages in English do not need

    if "babel" not in current_app.extensions:
        flask_babel.Babel(current_app, configure_jinja=False, default_translation_directories=str(FOLDER))
    with flask_babel.force_locale(code):
        texts, locale = flask_babel.get_translations(), cast("Locale", flask_babel.get_locale())
    names = locale.days["stand-alone"]
    return Language(
        code=code,
        gettext=lambda text: texts.gettext(text) if text else "",  # of nothing a catalogue says what itself is
        ngettext=texts.ngettext,
        named=lambda name: texts.pgettext(WIRE, name),
        point=locale.number_symbols["latn"]["decimal"],
        days=tuple(names["wide"][day] for day in range(7)),
        short_days=tuple(names["abbreviated"][day] for day in range(7)),
    )
