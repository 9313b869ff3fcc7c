"""What the binaries share: presets by name, and what goes to standard output and error."""

import collections
import contextlib
import importlib.resources
import itertools
import logging
import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence

from absl import app, flags
from absl import logging as absl_logging
from ml_collections import ConfigDict, config_flags

from kegnet_tf.configs import base
from kegnet_tf.runs import endings, progress

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # others may use the GPU as well

_DATASET = flags.DEFINE_string(
    "dataset", "", "Preset by name; --dataset=NAME is short for --config=<path of NAME.py>."
)
_QUICK = flags.DEFINE_bool("quick", False, "The preset's short form, to see everything once.")
_RECIPE = flags.DEFINE_enum(
    "recipe", "plus", ["plus", "paper"], "The preset's settings: kegnet+'s, or the paper's."
)
_STRATEGY = flags.DEFINE_enum(
    "strategy", "", ["", "mirrored"], "Share each training step among all GPUs of the machine."
)
_PRECISION = flags.DEFINE_enum(
    "mixed_precision", "", ["", "bfloat16", "float16"], "What training computes in; for GPUs."
)
_MEAN = flags.DEFINE_list(
    "input_mean", [], "What is taken off raw values in [0, 1], a number or one for each channel."
)
_STD = flags.DEFINE_list(
    "input_std", [], "What they are then divided by, a number or one for each channel."
)


def presets() -> list[str]:
    """Names that `--dataset` takes."""
    folder = importlib.resources.files("kegnet_tf.configs")
    names = {entry.name.removesuffix(".py") for entry in folder.iterdir()}
    return sorted(names - {"base", "__init__", "__pycache__"})


def run(main: Callable[[ConfigDict], str | None], *jobs: Sequence[str]) -> None:
    """Parses flags, with `--config` the preset of `--dataset`, and calls `main`.

    Standard output gets what `main` returns and nothing else: the library's notes, and all that
    other libraries and processes print meanwhile, go to standard error. Bad input (ValueError,
    OSError), a full disk, and an interruption, by SIGTERM as well as by Ctrl-C, end in one line
    there and exit code 1; `--verbosity=1` adds the traceback.

    Args:
        main: function of the configuration and nothing else; returns the text, or None for none.
        *jobs: names of flags that none of the other jobs has a use for.
    """

    def call(argv):
        _log_to_stderr()
        try:
            if len(argv) > 1:
                raise ValueError(f"Flags must start with `--`. Received: {argv[1]!r}.")
            asked = [[name for name in names if flags.FLAGS[name].value] for names in jobs]
            first = [names[0] for names in asked if names]
            if len(first) > 1:
                raise ValueError(f"`{first[0]}` must come without --{first[1]}. Received: both.")
            with _stdout_kept(), progress.stage("At work"):
                text = main(_config())
            if text is not None:
                print(text, flush=True)
        except (Exception, KeyboardInterrupt) as error:
            absl_logging.debug("Ended by:", exc_info=True)
            line = endings.line_of(error)
            if line is None:
                raise
            _fail(line)

    endings.interrupt_on_signals()
    try:
        app.run(call, flags_parser=_parse)
    except KeyboardInterrupt:
        _fail(endings.interrupted())


def devices() -> dict[str, str]:
    """What `--strategy` and `--mixed_precision` override, by dotted key."""
    return {f"devices.{flag.name}": flag.value for flag in (_STRATEGY, _PRECISION) if flag.value}


def overrides(section: str) -> dict[str, object]:
    """What `--config.SECTION.KEY=VALUE` says, to a command that works on a run's own preset.

    Args:
        section: the one section that the command can do something with.

    Returns:
        Values by "SECTION.KEY".

    Raises:
        ValueError: if a flag speaks of anything else in a preset.
    """
    given = config_flags.get_override_values(flags.FLAGS["config"])
    others = [f"config.{key}" for key in given if not key.startswith(f"{section}.")]
    names = "dataset", "quick", "recipe", "strategy", "mixed_precision", "input_mean", "input_std"
    others += [name for name in names if flags.FLAGS[name].present]
    if others:
        raise ValueError(
            f"`{others[0]}` must stay away: the run's own preset counts, and only "
            f"--config.{section} overrides it. Received: --{others[0]}."
        )
    return given


def allow(custom_objects: Sequence[str], safe_mode: bool, home: str = "") -> None:
    """Lets models' files refer to modules beside the user, as for `python -m`, and hold code.

    Args:
        custom_objects: what a file refers to; empty for nothing.
        safe_mode: False to let what is made from a teacher hold code, and be read back.
        home: the user's folder; "" for the one that this process is in.
    """
    if custom_objects:
        sys.path.append(home or os.getcwd())
    if not safe_mode:
        import keras

        keras.config.enable_unsafe_deserialization()


def _config():
    config = flags.FLAGS.config
    if _MEAN.value or _STD.value:
        if "mean" not in config.data:
            raise ValueError("`input_mean` must stay away from tables. Received: one.")
        config.data.mean, config.data.std = _numbers("input_mean"), _numbers("input_std")
    config.update_from_flattened_dict(devices())
    return config


def _log_to_stderr():
    """Notes of the library are shown as they are, of others no more than errors."""
    flags.FLAGS.logtostderr = True  # as it is at the moment: a bar on a terminal replaces it
    absl_logging.get_absl_handler().setFormatter(logging.Formatter("%(message)s"))
    if not flags.FLAGS["verbosity"].present:
        absl_logging.set_verbosity(absl_logging.ERROR)
        logging.getLogger("kegnet_tf").setLevel(logging.INFO)


@contextlib.contextmanager
def _stdout_kept():
    """Sends to standard error what is written to standard output, by other processes as well."""
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def _parse(argv):
    try:
        flags.FLAGS(argv, known_only=True)
        if _DATASET.value and _DATASET.value not in presets():
            raise ValueError(
                f"`dataset` must be one of {', '.join(presets())}. Received: {_DATASET.value!r}."
            )
        name = f"{_DATASET.value or 'base'}.py"
        preset = str(importlib.resources.files("kegnet_tf.configs") / name)
        mode = ["quick"] * _QUICK.value + ["paper"] * (_RECIPE.value == "paper")
        config_flags.DEFINE_config_file("config", f"{preset}:{','.join(mode)}")
        return _with_config(flags.FLAGS.read_flags_from_files(argv, force_gnu=False))
    except (AttributeError, KeyError) as error:
        found = error.args[0]
        if isinstance(found, KeyError):  # ml_collections wraps one in the other
            (found,) = found.args
        _fail(f"`config` must be overridden by keys that it has. Received: {found}")
    except (flags.Error, OSError, TypeError, ValueError) as error:
        _fail(error)


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


def _numbers(flag):
    try:
        numbers = tuple(float(value) for value in flags.FLAGS[flag].value)
    except ValueError:
        numbers = ()
    if not numbers or flag == "input_std" and min(numbers) <= 0:
        raise ValueError(
            f"`{flag}` must be one number or more, given together with its twin, deviations above "
            f"0. Received: {','.join(flags.FLAGS[flag].value)!r}."
        )
    return numbers


def _fail(error):
    message = " ".join(str(error).split())
    # The thread that hears signals may have told it, or be about to.
    if not (message.startswith("interrupted.") and endings.told.wait(1.0)):
        print(f"{os.path.basename(sys.argv[0])}: {message}", file=sys.stderr)
    sys.exit(1)
