"""What the binaries share: flags, and what goes to standard output and error."""

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Sequence

from absl import app, flags
from absl import logging as absl_logging
from ml_collections import ConfigDict, config_flags

from kegnet_tf.runs import endings, nearest, parsing, progress, quiet, usage

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
_VERBOSE = flags.DEFINE_bool("verbose", False, "Show what libraries and their processes print.")
flags.DEFINE_bool("version", False, "Print the versions of this program and what it needs.")
_MEAN = flags.DEFINE_list(
    "input_mean", [], "What is taken off raw values in [0, 1], a number or one for each channel."
)
_STD = flags.DEFINE_list(
    "input_std", [], "What they are then divided by, a number or one for each channel."
)


def run(
    main: Callable[[ConfigDict], str | None],
    *jobs: Sequence[str],
    alone: bool = True,
    tensorflow: bool = True,
) -> None:
    """Parses flags, with `--config` the preset of `--dataset`, and calls `main`.

    Standard output gets what `main` returns and nothing else, standard error the library's notes.
    What other libraries and processes print is kept away unless `--verbose` asks for it, or a fault
    of the program or of such a process ends the command. Bad input (ValueError, OSError), a full
    disk, and an interruption, by SIGTERM as well as by Ctrl-C, end in one line there and exit code
    1; `--verbosity=1` adds the traceback.

    Args:
        main: function of the configuration and nothing else; returns the text, or None for none.
        *jobs: names of flags that none of the other jobs has a use for.
        alone: whether the command does anything without a flag; if not it then says how to begin.
        tensorflow: whether `main` needs it; it is then loaded first, and a sign of that shown.
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
            if not _VERBOSE.value:
                os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
                quiet.hush()
            with _stdout_kept(), progress.stage("At work"):
                config = _config()
                if tensorflow:
                    _load_tensorflow()
                text = main(config)
            if text is not None:
                print(text, flush=True)
        except (Exception, KeyboardInterrupt) as error:
            _tell(error)
            raise

    def parse(argv):
        if text := usage.asked(argv, alone):
            print(text)
            sys.exit()
        try:
            return parsing.parse(argv)
        except (OSError, ValueError) as error:
            _fail(error)

    endings.interrupt_on_signals()
    try:
        app.run(call, flags_parser=parse)
    except KeyboardInterrupt:
        _fail(endings.interrupted())


def default_workdir(teacher: str, frontier: bool) -> str:
    """Where a command's results land that names no folder.

    Args:
        teacher: path of its classifier; "" for the preset's.
        frontier: whether it makes students of several ratios.
    """
    name = _DATASET.value or os.path.splitext(os.path.basename(teacher))[0]
    return os.path.join("exported", name + "-quick" * _QUICK.value + "-frontier" * frontier)


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


@progress.stage("Loading TensorFlow")
def _load_tensorflow():
    import keras

    del keras  # what it prints and how long it takes is seen here, and not where it is used


@contextlib.contextmanager
def _stdout_kept():
    """Sends elsewhere what is written to standard output, by other processes as well."""
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr if _VERBOSE.value else sys.__stderr__):
            yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


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


def _tell(error):
    """Ends the process with a line about an error, unless it is a fault of the program."""
    absl_logging.debug("Ended by:", exc_info=True)
    if endings.is_fault(error) and (printed := quiet.printed()):
        print(f"What libraries and processes printed:\n{printed}\n", file=sys.stderr)
    if (line := endings.line_of(error)) is not None:
        _fail(line)


def _fail(error):
    message = nearest.with_nearest(" ".join(str(error).split()))
    # The thread that hears signals may have told it, or be about to.
    if not (message.startswith("interrupted.") and endings.told.wait(1.0)):
        print(f"{os.path.basename(sys.argv[0])}: {message}", file=sys.stderr)
    sys.exit(1)
