import sys
from xml.etree import ElementTree

import pytest
import record_terminal

# A note, a bar that is drawn twice over itself and goes, and a coloured line.
SHOWS = r"""
import os, sys
write = sys.stdout.write
write(f"{os.get_terminal_size().columns} wide\n\x1b[?25lbar 1")
write("\r\x1b[2Kbar 2\n\r\x1b[1A\x1b[2K\x1b[?25h")
write("\x1b[1mStudents\x1b[0m: they learn\n")
"""


def test_what_stays_on_the_screen_of_a_command_is_drawn():
    code, written = record_terminal.recorded([sys.executable, "-c", SHOWS], width=50)
    assert code == 0
    screen = record_terminal.lines(written)
    assert screen == ["50 wide", "\x1b[1mStudents\x1b[0m: they learn", ""]
    drawn = record_terminal.svg("it", screen, width=50)
    assert "http" not in drawn.replace("http://www.w3.org/", "").replace("https://www.textual", "")
    text = " ".join("".join(ElementTree.fromstring(drawn).itertext()).split())
    assert "Students" in text
    assert "bar" not in text
    assert len(drawn) < 500_000


@pytest.mark.slow
def test_bar_of_rich_leaves_nothing():
    source = """
import time
from rich.progress import track
for each in track(range(3), "bar", transient=True):
    time.sleep(0.2)
print("over")
"""
    _, written = record_terminal.recorded([sys.executable, "-c", source])
    assert "bar" in written
    assert [line for line in record_terminal.lines(written) if line] == ["over"]
