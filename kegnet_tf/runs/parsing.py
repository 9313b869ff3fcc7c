"""From a command line to the values of its flags, and to the preset under `--config`."""

import collections
import importlib.resources
import itertools
import os
import re
import traceback
from collections.abc import Iterator, Mapping, Sequence

import ml_collections
from absl import flags
from absl import logging as absl_logging
from ml_collections import config_flags

from kegnet_tf.configs import base
from kegnet_tf.runs.nearest import nearest


def presets() -> list[str]:
    """Names that `--dataset` takes."""
    folder = importlib.resources.files("kegnet_tf.configs")
    names = {entry.name.removesuffix(".py") for entry in folder.iterdir()}
    return sorted(names - {"base", "__init__", "__pycache__"})


def parse(argv: Sequence[str]) -> list[str]:
    """Parses flags, with `--config` the preset of `--dataset`, `--quick` and `--recipe`.

    Args:
        argv: the command line, the program's name first.

    Returns:
        What of it is no flag.

    Raises:
        ValueError: if a flag, a preset or a key of `--config` is not known, or a value is wrong.
        OSError: if a file of flags cannot be read.
    """
    try:
        flags.FLAGS(argv, known_only=True)
        define_config()
        return _with_config(flags.FLAGS.read_flags_from_files(argv, force_gnu=False))
    except (AttributeError, KeyError) as error:
        found = error.args[0]
        if isinstance(found, KeyError):  # ml_collections wraps one in the other
            (found,) = found.args
        raise ValueError(
            f"`config` must be overridden by keys that it has. Received: {_unknown(argv) or found}"
        ) from error
    except (flags.Error, TypeError) as error:
        raise ValueError(str(error)) from error


def define_config() -> None:
    """Defines `--config`, with the preset that the other flags ask for as its default."""
    dataset, recipe = flags.FLAGS["dataset"].value, flags.FLAGS["recipe"].value
    if dataset and dataset not in presets():
        raise ValueError(f"`dataset` must be one of {', '.join(presets())}. Received: {dataset!r}.")
    name = f"{dataset or 'base'}.py"
    preset = str(importlib.resources.files("kegnet_tf.configs") / name)
    mode = ["quick"] * flags.FLAGS["quick"].value + ["paper"] * (recipe == "paper")
    config_flags.DEFINE_config_file("config", f"{preset}:{','.join(mode)}")


def leaves(settings: Mapping, name: str = "config") -> Iterator[tuple[str, object]]:
    """Settings without sections, each under its whole dotted name.

    Args:
        settings: a preset, or a section of one.
        name: of it.
    """
    for key, value in settings.items():
        if isinstance(value, ml_collections.ConfigDict) and len(value):
            yield from leaves(value, f"{name}.{key}")
        else:
            yield f"{name}.{key}", value


def _unknown(argv):
    """The first key of `--config` that no preset has, with the one that is nearest; "" if none."""
    known = {key for key, _ in leaves(base.get_config())}
    for arg in argv[1:]:
        key = arg.lstrip("-").partition("=")[0]
        wrong = key.startswith("config.") and key not in known and "students." not in key
        if wrong and (meant := nearest(key, known)):
            return f"--{key}.{meant}"
    return ""


def _with_config(argv):
    """What is left of the arguments once a config file was read and overridden."""
    given = collections.Counter(arg.lstrip("-").partition("=")[0] for arg in argv[1:])
    paths = [arg.partition("=")[2] for arg in argv if re.match("--?config=", arg)]
    paths += [path for flag, path in itertools.pairwise(argv) if flag in ("-config", "--config")]
    wrong = "`config` must be a Python file whose get_config() makes a preset. Received: "
    for path in paths:
        if not os.path.isfile(path.partition(":")[0]):  # which no pipe and no device is
            raise ValueError(f"{wrong}{path!r}, which is no file.")
    if not flags.FLAGS["verbosity"].present:
        absl_logging.set_verbosity(absl_logging.ERROR)
    try:
        left = flags.FLAGS(argv)
        missing = sorted({*base.get_config()} - {*flags.FLAGS.config})
    except (Exception, SystemExit) as error:  # a file of the user's can raise anything
        if not paths or not _came_from_config_file(error):
            raise
        *_, reason = f"{type(error).__name__}: {error}".strip().splitlines()
        raise ValueError(f"{wrong}{paths[-1]!r} ({reason}).") from error
    if missing:
        raise ValueError(f"{wrong}{paths[-1]!r}, without {', '.join(missing)}.")
    for key, value in config_flags.get_override_values(flags.FLAGS["config"]).items():
        if isinstance(value, tuple) and given[f"config.{key}"] > 1:  # they would add up
            count = given[f"config.{key}"]
            raise ValueError(
                f"`config.{key}` must be given once, with all that it holds. "
                f"Received: {count} times."
            )
    return left


def _came_from_config_file(error):
    """Whether a file of the user's was being read, or what it gave is no preset."""
    reads, looks = flags.FLAGS["config"].parser.parse.__code__, _with_config.__code__
    frames = []
    while error:
        frames += [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        error = error.__cause__ or error.__context__
    return frames[-1].f_code is looks or any(frame.f_code is reads for frame in frames)
