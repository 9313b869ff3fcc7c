"""Files of Unix `compress`, as the UCI archive holds one."""


def expand(data: bytes, longest: int = 2**30) -> bytes:
    """Expands what Unix `compress` wrote (Welch, 1984; `.Z`), which Python's own library cannot.

    Args:
        data: bytes of the whole file.
        longest: how many bytes may come out.

    Returns:
        The original bytes; of a truncated file, as many as can be known.

    Raises:
        ValueError: if the bytes are not of that format, or more come out.
    """
    bits, clears = (data[2] & 0x1F, data[2] & 0x80) if len(data) > 2 else (0, 0)
    if data[:2] != b"\x1f\x9d" or not 10 <= bits <= 16:  # `compress -b 9` has rules of its own
        raise ValueError(
            f"`data` must be of Unix compress, with 10 to 16 bits. Received: {data[:3]!r}."
        )
    start = [bytes([value]) for value in range(256)] + [b""] * bool(clears)
    words, width, last, out, position, size = [*start], 9, b"", [], 3, 0
    while position < len(data):
        # Codes come in groups of eight; a change of width leaves the rest of a group unused.
        group = data[position : position + width]
        position += width
        codes = int.from_bytes(group, "little")
        for index in range(8 * len(group) // width):
            code = codes >> index * width & (1 << width) - 1
            if clears and code == 256:
                words, width, last = [*start], 9, b""
                break
            if code > len(words) - (not last):
                raise ValueError(f"`data` must hold known codes. Received: {code}.")
            word = words[code] if code < len(words) else last + last[:1]
            out.append(word)
            size += len(word)
            if size > longest:
                raise ValueError(f"`data` must expand to {longest} bytes at most. Received: more.")
            if last and len(words) < 1 << bits:
                words.append(last + word[:1])
            last = word
            if len(words) == 1 << width and width < bits:
                width += 1
                break
    return b"".join(out)
