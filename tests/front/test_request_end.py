"""A request is whole when its last byte is there, however the bytes come."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs_server.front.request_end import RequestEnd, is_plain

LIMIT = 1000
HEAD = b"POST /jobs/newjob HTTP/1.1\r\nHost: localhost\r\n"
WHOLE = {
    "no body": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no header": b"GET / HTTP/1.0\r\n\r\n",
    "a length": HEAD + b"Content-Length: 5\r\n\r\nhello",
    "a length of none": HEAD + b"content-length:0\r\n\r\n",
    "chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;name=value\r\n!\r\n0\r\n\r\n",
    "chunks with trailers": HEAD
    + b"TRANSFER-ENCODING: Chunked\r\n\r\nA\r\n\r\n0\r\n\r\n123\r\n0\r\nSum: 1\r\nMore: 2\r\n\r\n",
    "chunks after another coding": HEAD + b"Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
    "asking to continue": HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
}
ODD = {
    "two lengths": HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "a length and chunks": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a length that is no number": HEAD + b"Content-Length: many\r\n\r\n",
    "a negative length": HEAD + b"Content-Length: -5\r\n\r\n",
    "a length of 5,000 digits": HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
    "a body that is too long": HEAD + b"Content-Length: 1001\r\n\r\n",
    "a coding that is not chunks": HEAD + b"Transfer-Encoding: gzip\r\n\r\n",
    "a chunk without a size": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a chunk of a negative size": HEAD + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n",
    "a chunk of a huge size": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 20 + b"\r\n",
}


def fed(pieces: list[bytes]) -> RequestEnd:
    """A request of which these pieces came, up to the one that makes it whole."""
    request = RequestEnd(LIMIT)
    for number, piece in enumerate(pieces):
        assert not request.is_whole, f"whole before {pieces[number:]}"
        request.feed(piece)
    return request


@pytest.mark.parametrize("way", WHOLE)
@given(data=st.data())
def test_the_end_is_found_wherever_the_bytes_are_parted(way: str, data: st.DataObject) -> None:
    whole = WHOLE[way]
    parted = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1), max_size=8)))
    ends = [0, *parted, len(whole)]
    request = fed([whole[begin:end] for begin, end in itertools.pairwise(ends)])
    assert (request.is_whole, request.is_odd, request.size) == (True, False, len(whole))


@pytest.mark.parametrize("way", WHOLE)
def test_a_request_without_its_last_byte_is_not_whole(way: str) -> None:
    assert not fed([WHOLE[way][:-1]]).is_whole


@pytest.mark.parametrize("way", WHOLE)
def test_what_follows_a_request_is_not_part_of_it(way: str) -> None:
    assert fed([WHOLE[way] + b"GET /next HTTP/1.1\r\n\r\n"]).size == len(WHOLE[way])


@pytest.mark.parametrize("way", ODD)
def test_what_the_parser_will_refuse_is_not_waited_for(way: str) -> None:
    request = fed([ODD[way]])
    assert (request.is_whole, request.is_odd, request.size) == (True, True, len(ODD[way]))


def test_chunks_past_the_limit_are_not_kept() -> None:
    request = RequestEnd(LIMIT)
    request.feed(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    for _ in range(200):
        if not request.is_whole:
            request.feed(b"3e8\r\n%s\r\n" % (b"x" * 1000))
    assert request.is_odd
    assert len(request.data) > LIMIT + len(HEAD), "the app must see that it is too long"


def test_headers_without_end_are_not_kept() -> None:
    request = RequestEnd(LIMIT)
    for _ in range(40):
        if not request.is_whole:
            request.feed(b"x" * 65536)
    assert request.is_odd


def test_whoever_expects_to_be_asked_for_the_body_is_seen_to() -> None:
    request = fed([WHOLE["asking to continue"][:-2]])
    assert (request.has_head, request.expects_continue) == (True, True)


PLAIN = ("no body", "no header", "a length", "a length of none", "asking to continue")


@pytest.mark.parametrize("way", WHOLE)
def test_the_fast_path_takes_what_comes_in_one_piece(way: str) -> None:
    assert is_plain(WHOLE[way], LIMIT) == (way in PLAIN)


@pytest.mark.parametrize("way", WHOLE)
def test_the_fast_path_takes_no_part_and_nothing_more(way: str) -> None:
    assert not is_plain(WHOLE[way][:-1], LIMIT)
    assert not is_plain(WHOLE[way] + b"GET", LIMIT)


@pytest.mark.parametrize("way", ODD)
def test_the_fast_path_takes_nothing_odd(way: str) -> None:
    assert not is_plain(ODD[way], LIMIT)
