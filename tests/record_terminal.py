"""Runs a command on a terminal of its own, and writes what it shows as an SVG.

    python tests/record_terminal.py --output=.github/quick-run.svg -- kegnet --dataset=mnist --quick

What is drawn is what stays on the screen: of a bar that was drawn over and over nothing, of a line
that was written over the last state. Colours are those of the terminal.
"""

import argparse
import fcntl
import io
import os
import pathlib
import pty
import re
import struct
import sys
import termios

from rich.console import Console
from rich.text import Text

WIDTH = 92  # characters of a line
_CURSOR = re.compile(r"\x1b\[[0-9;?]*[A-LN-Za-ln-z]")  # all but colours
_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)  # they would be loaded from elsewhere


def recorded(command: list[str], width: int = WIDTH) -> tuple[int, str]:
    """Runs a command on a terminal; returns its exit code, and all that it wrote there."""
    child, terminal = pty.fork()
    if not child:
        os.execvp(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    written = b""
    while True:
        try:
            chunk = os.read(terminal, 4096)
        except OSError:  # the other end is gone
            break
        if not chunk:
            break
        sys.stderr.buffer.write(chunk)
        sys.stderr.flush()
        written += chunk
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), written.decode(errors="replace")


def lines(written: str) -> list[str]:
    """What stays on the screen, line by line, colours apart as it was written."""
    screen = [""]
    for part in re.split(r"(\r\n|\n|\r|\x1b\[\d*A|\x1b\[2K)", written):
        if part in ("\r\n", "\n"):
            screen.append("")
        elif part.endswith("A") and part.startswith("\x1b["):
            del screen[-int(part[2:-1] or 1) :]
            screen = screen or [""]
        elif part in ("\r", "\x1b[2K"):
            screen[-1] = ""
        else:
            screen[-1] += _CURSOR.sub("", part)
    return [line.rstrip() for line in screen]


def svg(command: str, screen: list[str], width: int = WIDTH) -> str:
    """An SVG of a terminal with a command and what it showed; it loads nothing."""
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True)
    for line in [f"$ {command}", *screen]:
        console.print(Text.from_ansi(line), soft_wrap=True)
    return _FONTS.sub("", console.export_svg(title=command))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()
    code, written = recorded(given.command)
    if code:
        sys.exit(f"The command ended with exit code {code}.")
    given.output.write_text(svg(" ".join(given.command), lines(written)))


if __name__ == "__main__":
    main()
