import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest

# What a command sees of a terminal that is its standard error, hushed, and what then gets there.
SOURCE = """
import os, sys
from kegnet_tf.runs import quiet
quiet.hush()
quiet.hush()
os.write(2, b"a library on descriptor 2\\n")
print("a library of Python", file=sys.__stderr__)
print("ours", quiet.columns(), sys.stderr.isatty(), os.isatty(2), file=sys.stderr)
assert quiet.printed().splitlines() == ["a library on descriptor 2", "a library of Python"]
os.write(2, b"x" * 30000)
assert quiet.printed() == "x" * quiet.LIMIT
"""


@pytest.mark.parametrize(("given", "columns"), [("", "123"), ("60", "60")])
def test_terminal_gets_what_is_ours_alone_and_keeps_its_width(given, columns):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 123, 0, 0))
    command = [sys.executable, "-c", SOURCE]
    environment = {**os.environ, "COLUMNS": given}
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": theirs}
    done = subprocess.run(command, **streams, env=environment, check=True)
    os.close(theirs)
    assert os.read(ours, 1000).decode() == f"ours {columns} True False\r\n"
    assert done.stdout == b""
    os.close(ours)


def test_without_a_terminal_a_line_has_80_characters():
    source = "from kegnet_tf.runs import quiet; print(quiet.columns(), quiet.printed() == '')"
    environment = {**os.environ, "COLUMNS": ""}
    streams = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
    command = [sys.executable, "-c", source]
    assert subprocess.run(command, **streams, env=environment, check=True).stdout == "80 True\n"
