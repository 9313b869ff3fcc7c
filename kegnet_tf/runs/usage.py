"""What a command says of itself: its first screen, its flags and their defaults, its version."""

import ast
import importlib.metadata
import importlib.resources
import os
import platform
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence

from absl import flags

from kegnet_tf.runs import parsing

SHARED = "kegnet_tf.runs.flags"  # where the flags of all commands stand
WIDEST = 100  # characters of a line; ours
_INDENT, _COLUMN = 2, 26


def asked(argv: Sequence[str], alone: bool) -> str:
    """The text that a command line asks for instead of work; "" where it asks for work.

    Args:
        argv: the command line, the program's name first.
        alone: whether the command does anything without a flag.
    """
    given = {arg.lstrip("-") for arg in argv[1:] if arg.startswith("-")}
    if "version" in given:
        return version()
    if given & {"help", "helpshort", "h", "?"}:
        return full()
    if "helpfull" in given:
        flags.FLAGS([arg for arg in argv if "help" not in arg], known_only=True)
        parsing.define_config()
        return f"{full()}\n\n{settings()}"
    return "" if alone or len(argv) > 1 else first_screen()


def version() -> str:
    """Versions of this program and of what it stands on, in one line."""
    names = "tensorflow", "keras", "numpy"
    beside = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    own = importlib.metadata.version("kegnet-tf")
    return f"kegnet-tf {own} ({beside}, python {platform.python_version()})"


def first_screen() -> str:
    """How to begin, for who gave no flag."""
    does, examples = _about()
    parts = [does, *_titled("Examples:", examples)]
    if _takes_presets():
        parts += ["Presets (--dataset=NAME): " + ", ".join(parsing.presets()) + "."]
    parts.append(f"{_program()} --help shows every flag, with its default, and what presets cost.")
    return "\n\n".join(_wrapped(part) if "\n" not in part else part for part in parts)


def full() -> str:
    """All flags that a user needs, with their defaults, examples, and presets."""
    does, examples = _about()
    parts = [does, *_titled("Examples:", examples)]
    for title, module in (("Flags:", sys.argv[0]), ("Flags of all commands:", SHARED)):
        lines = [_row(*_flag(each)) for each in flags.FLAGS.flags_by_module_dict().get(module, ())]
        parts += _titled(title, lines)
    if _takes_presets():
        parts += _titled("Presets (--dataset=NAME):", [_row(*each) for each in presets()])
    parts.append(
        "--config.KEY=VALUE overrides one setting of a preset; --helpfull lists all of them."
    )
    return "\n\n".join(_wrapped(part) if "\n" not in part else part for part in parts)


def presets() -> Iterator[tuple[str, str]]:
    """Each preset by name, with what it is and what it costs, from its own first lines."""
    folder = importlib.resources.files("kegnet_tf.configs")
    for name in parsing.presets():
        text = ast.get_docstring(ast.parse((folder / f"{name}.py").read_text())) or ""
        what, *_, cost = text.split("\n\n")
        own = " You train its teacher." if "--teacher=" in text else ""
        yield name, f"{what}{own} {re.split(r'(?<=[a-z])[.,;] ?', cost)[0]}."


def settings() -> str:
    """All keys of `--config` with the values of the preset that was asked for."""
    lines = [f"  --{key}={_plain(value)}" for key, value in parsing.leaves(flags.FLAGS.config)]
    preset = flags.FLAGS["dataset"].value or "base"
    where = f"Settings of the preset {preset} (configs/base.py tells where each comes from):"
    return "\n".join([_wrapped(where), *lines])


def _about():
    """What the command does, and its examples: from the docstring of its file."""
    does, *others = (sys.modules["__main__"].__doc__ or "").strip().split("\n\n")
    examples = [part for part in others if part.startswith("    ")]
    return does, [line[2:] for part in examples for line in part.splitlines()]


def _program():
    return os.path.basename(sys.argv[0])


def _takes_presets():
    return _program() != "kegnet-export"  # which works on a run's own


def _titled(title, lines):
    return ["\n".join([title, *lines])] if lines else []


def _flag(flag):
    """A flag as it is given, and its help with its default."""
    kinds = {"int": "N", "float": "X", "commaseparatedlistofstrings": "A,B"}
    values = getattr(flag.parser, "enum_values", None)
    value = "|".join(filter(None, values)) if values else kinds.get(_kind(flag), "TEXT")
    given = f"--[no]{flag.name}" if flag.boolean else f"--{flag.name}={value}"
    default = "yes" if flag.default is True else _plain(flag.default)
    told = re.sub(r"^<.*>: ", "", flag.help)  # which absl puts before the help of a choice
    return given, f"{told} [{default or 'none'}]"


def _kind(flag):
    return flag.flag_type().replace(" ", "")


def _plain(value):
    if value is None or value is False:
        return "no" if value is False else ""
    return ",".join(map(str, value)) if isinstance(value, (tuple, list)) else f"{value}"


def _row(name, text):
    """A name in the left column, and a text beside it, on as many lines as it takes."""
    lines = textwrap.wrap(text, _width() - _COLUMN - _INDENT)
    own = " " * _INDENT + name
    if len(own) > _INDENT + _COLUMN - 2:
        lines = ["", *lines]
    rest = textwrap.indent("\n".join(lines[1:]), " " * (_INDENT + _COLUMN))
    return "\n".join(filter(None, [f"{own:<{_INDENT + _COLUMN}}{lines[0]}".rstrip(), rest]))


def _wrapped(text):
    return textwrap.fill(text, _width())


def _width():
    return min(WIDEST, shutil.get_terminal_size().columns)
