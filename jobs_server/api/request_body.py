"""The bytes of a request's body: all of them or a refusal, whatever server is in front."""

from __future__ import annotations

from contextlib import suppress
from typing import Protocol, cast

from flask import Request, request
from werkzeug.exceptions import ClientDisconnected, HTTPException, RequestEntityTooLarge

from ..errors import BadRequest
from .fast_path import sent_at_once

DRAIN_BYTES = 16 * 1024 * 1024
_PIECE_BYTES = 64 * 1024
_BROKE_OFF = "Error: the body broke off before its end"


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def read() -> bytes:
    """Read the whole body.

    Raises RequestEntityTooLarge past `MAX_CONTENT_LENGTH`, BadRequest when the body breaks off.
    """
    asked = cast(Request, request._get_current_object())  # type: ignore[attr-defined]  # each look through it costs
    try:
        body = sent_at_once(asked.environ, asked.max_content_length)
        if body is not None:
            return body
        body = asked.get_data(cache=False)
        goes_on = asked.content_length is None and len(body) == asked.max_content_length and _goes_on()
    except (ClientDisconnected, TimeoutError):
        raise BadRequest(_BROKE_OFF) from None
    except HTTPException:
        raise
    except Exception as error:  # servers have errors of their own for a body that is sent wrongly
        raise BadRequest("Error: the body was sent in a way that is not HTTP") from error
    if goes_on:
        raise RequestEntityTooLarge
    if len(body) < (asked.content_length or 0):  # where the server says that it ends the stream, nobody counts
        raise BadRequest(_BROKE_OFF)
    return body


def drain() -> None:
    """Read off what is left of the body: a client that still sends would not see the answer."""
    with suppress(Exception):  # nobody waits for the rest of a client that is gone or sends nonsense
        try:
            _read_off(request.stream, DRAIN_BYTES)
        except RequestEntityTooLarge:
            _read_off(request.environ["wsgi.input"], _left_to_send())


def _goes_on() -> bool:
    """Whether a body without a length goes on: Werkzeug stops reading at the limit and says nothing."""
    return bool(request.environ["wsgi.input"].read(1))


def _left_to_send() -> int:
    if request.environ.get("wsgi.input_terminated"):
        return DRAIN_BYTES
    return min(request.content_length or 0, DRAIN_BYTES)


def _read_off(stream: _Readable, most: int) -> None:
    while most > 0 and (piece := stream.read(min(most, _PIECE_BYTES))):
        most -= len(piece)
