import shutil
import subprocess

import numpy as np
import pytest

from kegnet_tf.datasets import lzw


def compress(data, longest=16, clear_at=None):
    """What Unix `compress` would write; `clear_at` is the byte at which it starts afresh."""
    out, codes, width = bytearray(b"\x1f\x9d" + bytes([0x80 | longest])), [], 9

    def flush(whole):
        codes.extend([0] * (-len(codes) % 8 if whole else 0))
        bits = sum(code << index * width for index, code in enumerate(codes))
        out.extend(bits.to_bytes(-(-len(codes) * width // 8), "little"))
        codes.clear()

    known, free, word = {}, 257, b""
    for position, value in enumerate(data):
        longer = word + bytes([value])
        if len(longer) == 1 or longer in known:
            word = longer
            continue
        codes.append(known.get(word, word[0]))
        if free == 1 << width and width < longest:
            flush(whole=True)
            width += 1
        if free < 1 << longest:
            known[longer] = free
            free += 1
        if clear_at == position:
            codes.append(256)
            flush(whole=True)
            known, free, width = {}, 257, 9
        word = longer[-1:]
    codes.append(known.get(word, word[0]))
    flush(whole=False)
    return bytes(out)


def table(rows, seed=0):
    """Text with rows of numbers, as in the archive's files."""
    numbers = np.random.default_rng(seed).integers(-99, 999, (rows, 9))
    return "".join(" ".join(map(str, row)) + "\n" for row in numbers).encode()


CASES = {
    "one byte": (b"7", {}),
    "a word that is its own start": (b"a" * 50, {}),
    "wider and wider codes": (table(3000), {}),
    "a full table": (table(300), {"longest": 10}),
    "a fresh start": (table(300), {"clear_at": 4007}),
}


@pytest.mark.parametrize(("data", "how"), CASES.values(), ids=CASES)
def test_what_was_compressed_expands_to_what_it_was(data, how):
    assert lzw.expand(compress(data, **how)) == data


@pytest.mark.skipif(not shutil.which("gzip"), reason="gzip, which can expand .Z, is not installed")
@pytest.mark.parametrize(("data", "how"), CASES.values(), ids=CASES)
def test_gzip_expands_to_the_same(data, how):
    done = subprocess.run(["gzip", "-dc"], input=compress(data, **how), capture_output=True)
    assert done.stdout == data


def test_truncated_file_expands_to_a_beginning():
    data = table(100)
    whole = compress(data)
    for length in (4, 50, len(whole) // 2, len(whole) - 1):
        part = lzw.expand(whole[:length])
        assert len(part) < len(data)
        assert data.startswith(part)


@pytest.mark.parametrize(
    "data", [b"", b"\x1f\x8b\x08", b"1 2 3\n", b"\x1f\x9d", b"\x1f\x9d\x89", b"\x1f\x9d\x91"]
)
def test_other_format_is_refused(data):
    with pytest.raises(ValueError, match="`data` must be of Unix compress, .* Received: b"):
        lzw.expand(data)


def test_code_that_was_never_made_is_refused():
    with pytest.raises(ValueError, match="`data` must hold known codes. Received: 300."):
        lzw.expand(b"\x1f\x9d\x90" + (300).to_bytes(2, "little"))
