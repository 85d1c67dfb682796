"""The XML of INDI, as it comes in pieces, and what is none."""

from __future__ import annotations

import base64
import math
import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs_server.agent import indi_stream
from jobs_server.agent.indi_stream import BadStream, Element, IndiStream, inflated
from jobs_server.agent.indi_vectors import changed, command, described, number

FRAME = bytes(range(256)) * 40
MESSAGES = (
    b"<?xml version='1.0'?>\n<defNumberVector device='D' name='N' state='Ok' perm='rw'>\n"
    b"  <defNumber name='A' min='0' max='9' step='1'>\n 1.5\n  </defNumber>\n</defNumberVector>\n"
    b"<?xml version='1.0'?><setBLOBVector device='D' name='B' state='Ok'>"
    b"<oneBLOB name='B' size='10240' format='.fits'>\n"
    + base64.encodebytes(FRAME)
    + b"</oneBLOB></setBLOBVector><message device='D' message='all &lt;well&gt;'/>"
)


def read(*pieces: bytes, wants_blobs: bool = True) -> list[Element]:
    came: list[Element] = []
    stream = IndiStream(came.append, wants_blobs=wants_blobs)
    for piece in pieces:
        stream.feed(piece)
    return came


@given(st.lists(st.integers(0, len(MESSAGES)), max_size=8))
def test_messages_are_the_same_wherever_the_stream_is_cut(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(MESSAGES)]
    pieces = [MESSAGES[begin:end] for begin, end in pairwise(edges)]
    numbers, blob, message = read(*pieces)
    assert (numbers.tag, numbers.members[0].text) == ("defNumberVector", "1.5")
    assert blob.members[0].data == bytearray(FRAME)
    assert message.attributes["message"] == "all <well>"


def test_a_declaration_may_be_cut_after_its_first_letter_behind_another_one() -> None:
    one = b"<?xml version='1.0'?><message device='D' message='m'/>"
    for cut in range(2 * len(one)):
        assert [each.tag for each in read((2 * one)[:cut], (2 * one)[cut:])] == ["message", "message"]


@given(st.lists(st.integers(0, 120), max_size=8))
def test_what_xml_allows_inside_a_blob_is_no_part_of_the_blob(cuts: list[int]) -> None:
    """Its text is decoded beside expat where it is nothing but base64."""
    for odd in (b"AAAA<!-- BBBB > CCCC -->\r\nDDDD&#68;&#68;DD", b"AAAA\r\nDDDD&#68;&#68;DD"):
        whole = b"<setBLOBVector name='B'><oneBLOB name='B'>%b</oneBLOB></setBLOBVector>" % odd
        edges = sorted([0, *cuts, len(whole)])
        (blob,) = read(*(whole[begin:end] for begin, end in pairwise(edges)))
        assert blob.members[0].data == bytearray(base64.b64decode(b"AAAADDDDDDDD"))
        for at in range(len(whole)):
            assert read(whole[:at], whole[at:])[0].members[0].data == blob.members[0].data


def test_a_blob_that_is_not_wanted_is_not_kept() -> None:
    assert read(MESSAGES, wants_blobs=False)[1].members[0].data is None


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"<a><b><c/></b></a>",
        b"</stream>",
        b"<defNumberVector></defTextVector>",
        b"<!DOCTYPE lolz [<!ENTITY lol 'lol'>]>",
        b"<setBLOBVector name='B'><oneBLOB name='B'>&lt;no base64&gt;====A</oneBLOB></setBLOBVector>",
        b"<setBLOBVector name='B'><oneBLOB name='B'>AAA</oneBLOB></setBLOBVector>",
    ],
)
def test_what_is_no_indi_is_a_clear_error(text: bytes) -> None:
    with pytest.raises(BadStream, match=r"INDI|BLOB"):
        read(text)


def feed_until_refused(stream: IndiStream, most: int) -> None:
    for _ in range(0, most, 65536):
        stream.feed(b"x" * 65536)


@pytest.mark.parametrize("begin", [b"<a name='", b"<a>", b"<a><b>", b"<a><b x='", b"<!--", b"<?xml "])
def test_endless_xml_ends_within_bounds(begin: bytes) -> None:
    """An attribute, a text or a tag without an end is given up after two megabytes."""
    came: list[Element] = []
    stream = IndiStream(came.append)
    stream.feed(begin)
    with pytest.raises(BadStream):
        feed_until_refused(stream, 3 * indi_stream.TOKEN_BYTES)


def test_endlessly_many_members_and_tags_are_given_up() -> None:
    with pytest.raises(BadStream, match="members"):
        read(b"<a>" + b"<b/>" * 5000)
    with pytest.raises(BadStream, match="kinds of tags"):
        read(*(f"<t{each}/>".encode() for each in range(300)))


def test_a_compressed_frame_is_unpacked_within_bounds() -> None:
    packed = bytearray(zlib.compress(FRAME))
    assert inflated(packed) == FRAME
    for broken in (packed[:-5], bytearray(b"no zlib")):
        with pytest.raises(BadStream, match="compressed"):
            inflated(broken)
    with pytest.raises(BadStream, match="more than 1000"):
        inflated(packed, limit=1000)


@pytest.mark.parametrize(
    ("text", "value"),
    [("12.5", 12.5), ("-0:30:0", -0.5), ("12:30:36", 12.51), ("47 42 00", 47.7), ("1;30", 1.5), ("\n 3 \n", 3)],
)
def test_numbers_come_as_decimals_or_with_minutes(text: str, value: float) -> None:
    assert number(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "x", "1:2:3:4", "1:x"])
def test_what_is_no_number_is_not_taken_for_one(text: str) -> None:
    assert math.isnan(number(text))


def test_names_and_texts_are_escaped_in_commands() -> None:
    vector = described(read(b"<defTextVector device='D' name='T' perm='rw'/>")[0], "Text")
    (back,) = read(command('a"b', vector, {"<m>": "x & <y>"}))
    assert (back.attributes["device"], back.members[0].attributes["name"], back.members[0].text) == (
        *('a"b', "<m>"),
        "x & <y>",
    )


def test_members_that_a_message_does_not_name_keep_their_values() -> None:
    first, second = read(
        b"<defNumberVector name='N' perm='rw'><defNumber name='A'>1</defNumber><defNumber name='B'>2</defNumber>"
        b"</defNumberVector><setNumberVector name='N' state='Busy'><oneNumber name='B'>3</oneNumber></setNumberVector>"
    )
    now = changed(described(first, "Number"), second)
    assert (dict(now.values), now.state, now.sets) == ({"A": 1.0, "B": 3.0}, "Busy", 1)
