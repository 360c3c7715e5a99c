"""Inputs that are nearly right: examples that are, changed at random places."""

from __future__ import annotations

import zlib
from random import Random

from hypothesis import strategies as st

ODD = (
    b"", b"\0", b"\xff", b"\xef\xbb\xbf", b"\r\n", b"\n", b"-", b"1e999", b"-1", b"0", b"NaN", b"null", b"true",
    b"9" * 40, b"1e21", b"\\ud800", b'"', b"'", b"{", b"[" * 40, b"}", b"]", b",", b":", b"${X}", b"{{", b"%",
    b"\xe2\x80\xae", b"\x1b[2J", b"A" * 2000,
)  # fmt: skip
"""What readers of texts have stumbled over."""


@st.composite
def mutated(draw: st.DrawFn, corpus: tuple[bytes, ...], odd: tuple[bytes, ...] = ()) -> bytes:
    """An example of ``corpus`` with up to six changes; ``odd`` are put in beside :data:`ODD`."""
    data = draw(st.sampled_from(corpus))
    for _ in range(draw(st.integers(0, 6))):
        at, length = draw(st.integers(0, len(data))), draw(st.integers(0, 40))
        before, there, after = data[:at], data[at : at + length], data[at + length :]
        match draw(st.integers(0, 6)):
            case 0:
                data = before + draw(st.sampled_from((*ODD, *odd))) + data[at:]
            case 1:
                data = before + draw(st.sampled_from((*ODD, *odd))) + after
            case 2:
                data = before + after
            case 3:
                data = before + there * draw(st.integers(2, 60)) + after
            case 4:
                data = before
            case 5:
                data = before + draw(st.binary(max_size=8)) + after
            case _:
                data = before + draw(st.sampled_from(corpus))[at:]
    return data


def pieces_of(data: bytes) -> list[bytes]:
    """Cut ``data`` as a network may; always in the same places, so that a failing input is whole."""
    rng = Random(zlib.crc32(data))
    pieces = []
    while data:
        length = rng.choice([1, 7, 100, 1000, len(data)])
        pieces.append(data[:length])
        data = data[length:]
    return pieces
