import json
import os
import pathlib
import subprocess
import sys

import pytest

from kegnet_tf.runs import parsing

ROOT = pathlib.Path(__file__).parents[2]
# Runs a source after the other, each in a fork of one process that has imported the flags: a new
# process takes half a second to start. A request is a line of JSON, and so is its answer.
SERVER = """
import json, os, sys, tempfile
from kegnet_tf.runs import flags
for line in sys.stdin:
    source, arguments = json.loads(line)
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        if not (child := os.fork()):
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            sys.argv = ["-c", *arguments]
            code = 1
            try:
                exec(source, {"__name__": "__main__"})
            except SystemExit as ended:
                code = ended.code or 0
            except BaseException:
                sys.excepthook(*sys.exc_info())
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        texts = [file.seek(0) or file.read() for file in (out, err)]
    print(json.dumps([code, *texts]), flush=True)
"""


@pytest.fixture(scope="module")
def execute():
    """Function of a source and flags: exit code, standard output and standard error."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def execute(source, *arguments):
        process.stdin.write(json.dumps([source, arguments]) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    yield execute
    process.stdin.close()
    process.wait(30)
    process.stdout.close()


@pytest.fixture
def call(execute):
    """The same, of a binary whose `main` is given."""

    def call(*arguments, main="return config.extraction.beta"):
        source = f"def main(config):\n    {main}\nflags.run(main, tensorflow=False)"
        return execute(f"from kegnet_tf.runs import flags\n{source}", *arguments)

    return call


def test_preset_is_found_by_name_and_overridden_by_key(call):
    assert call("--dataset=mnist")[:2] == [0, "0.0\n"]
    assert call("--dataset=mnist", "--config.extraction.beta=2.5")[:2] == [0, "2.5\n"]


def test_without_a_preset_the_defaults_count(call):
    main = "return config.data.name == '', config.students.student.target_ratio"
    assert call(main=main)[:2] == [0, "(True, None)\n"]


def test_mean_and_deviation_are_lists_of_numbers(call):
    main = "return f'{config.data.mean} {config.data.std}'"
    given = call("--input_mean=0.5,1", "--input_std=2,0.25", main=main)
    assert given[1] == "(0.5, 1.0) (2.0, 0.25)\n"
    assert call("--dataset=mnist", main=main)[1] == "(0.1307,) (0.3081,)\n"


def test_strategy_and_precision_are_short_for_keys(call):
    main = "return f'{config.devices.strategy} {config.devices.mixed_precision}'"
    code, printed, _ = call("--strategy=mirrored", "--mixed_precision=float16", main=main)
    assert (code, printed) == (0, "mirrored float16\n")
    assert call("--strategy=ray")[0] == 1


@pytest.mark.parametrize(
    "arguments",
    [["--input_mean=0.5"], ["--input_std=2"], ["--input_mean=a", "--input_std=1"]],
)
def test_mean_and_deviation_come_together_and_are_numbers(call, arguments):
    code, _, errors = call(*arguments)
    assert code == 1
    assert errors.startswith("-c: `input_")
    assert errors.count("\n") == 1


def test_deviation_of_0_is_refused(call):
    assert "`input_std` must be" in call("--input_mean=1", "--input_std=0")[2]


def test_mean_of_a_table_is_refused(call):
    errors = call("--dataset=letter", "--input_mean=1", "--input_std=1")[2]
    assert errors == "-c: `input_mean` must stay away from tables. Received: one.\n"


def test_quick_is_the_presets_short_form(call):
    main = "return config.extraction.epochs * config.num_generators"
    full = call("--dataset=mnist", main=main)[1]
    assert int(call("--dataset=mnist", "--quick", main=main)[1]) < int(full)


@pytest.mark.parametrize(
    ("recipe", "expected"), [("plus", "kegnet+ auto 100.0"), ("paper", "kegnet cross_entropy 0.0")]
)
def test_recipe_sets_arms_and_losses_of_any_preset(call, recipe, expected):
    main = "return f'{config.source} {config.distillation.loss} {config.extraction.gamma}'"
    for preset in ([], ["--dataset=svhn", "--quick"]):
        assert call(*preset, f"--recipe={recipe}", main=main)[1] == f"{expected}\n"


def test_overrides_are_those_of_one_section(call):
    main = "return flags.overrides('export')"
    assert call("--config.export.headroom=3.0", main=main)[1] == "{'export.headroom': 3.0}\n"
    for other in ("--config.extraction.beta=1", "--dataset=mnist", "--quick", "--input_mean=1"):
        code, _, errors = call(other, main=f"config = {main.removeprefix('return ')}")
        assert code == 1
        assert "must" in errors


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("--recipe=mine", "recipe"),
        ("--dataset=mist", "`dataset` must be one of"),
        ("--config.extraction.bta=1", "keys that it has. Received: --config.extraction.bta."),
        ("--config.extraction.epochs=many", "epochs=many"),
        ("--extraction=1", "extraction"),
        ("mnist", "Flags must start with `--`. Received: 'mnist'"),
        ("--config=nowhere.py", "nowhere.py"),
    ],
)
def test_wrong_flag_is_one_line_and_exit_code_1(call, argument, words):
    code, output, errors = call(argument)
    assert code == 1
    assert not output
    assert errors.count("\n") == 1
    assert words in errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--frontier=2", "--minutes=5"], "`frontier` must come without --minutes."),
        (["--curve", "--plan"], "`curve` must come without --plan."),
        (["--curve", "--frontier=2"], "`curve` must come without --frontier."),
    ],
)
def test_flags_of_two_jobs_are_one_line_and_nothing_is_loaded(execute, arguments, message):
    source = f"""
import runpy, sys
sys.modules["tensorflow"] = None  # its import fails
runpy.run_path({str(ROOT / "bin" / "kegnet")!r}, run_name="__main__")
"""
    code, output, errors = execute(source, "--dataset=mnist", *arguments)
    assert (code, output) == (1, "")
    assert errors.endswith(f"{message} Received: both.\n")
    assert errors.count("\n") == 1


@pytest.mark.parametrize("error", ["ValueError", "OSError"])
def test_bad_input_is_one_line_and_exit_code_1(call, error):
    assert call(main=f"raise {error}('`x` must\\n be y.')") == [1, "", "-c: `x` must be y.\n"]


def config_file(folder, kind):
    """Path of what is given as a config file."""
    path = folder / "mine.py"
    if kind == "a folder":
        path.mkdir()
    elif kind == "a pipe":
        os.mkfifo(path)  # opening one waits for a writer
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    elif kind is not None:
        path.write_text(kind)
    return path


@pytest.mark.parametrize("flag", ["--config={}", "-config={}", "--config {}"])
def test_config_file_is_code_that_makes_a_preset(call, tmp_path, flag):
    preset = "from kegnet_tf.configs import base\nget_config = base.get_config"
    path = config_file(tmp_path, preset)
    arguments = flag.format(path).split()
    assert call(*arguments, "--config.extraction.beta=2.5")[:2] == [0, "2.5\n"]
    assert call(f"--config={path}:quick", main="return config.held_out")[0] == 0


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (None, "which is no file"),
        ("a folder", "which is no file"),
        ("a pipe", "which is no file"),
        ("a device", "which is no file"),
        ("hello there", "SyntaxError: invalid syntax"),
        ("def get_config(:", "SyntaxError"),
        ("raise RuntimeError('first\\nlast')", "last"),
        ("import sys\nsys.exit(0)", "SystemExit: 0"),
        ("open('/nowhere/at/all')", "No such file or directory"),
        ("x = 1", "has no attribute 'get_config'"),
        ("def get_config(mode=''):\n    return {}['x']", "KeyError: 'x'"),
        ("def get_config(mode=''):\n    return None", "not iterable"),
        ("def get_config(mode=''):\n    return {'a': 1}", "without arms, "),
    ],
)
def test_config_file_that_is_none_is_one_line_and_exit_code_1(call, tmp_path, kind, reason):
    path = config_file(tmp_path, kind)
    code, output, errors = call(f"--config={path}")
    assert (code, output) == (1, "")
    assert errors.startswith("-c: `config` must be a Python file whose get_config() makes a preset")
    assert f"Received: '{path}'" in errors
    assert reason in errors
    assert errors.count("\n") == 1


def test_mode_that_a_config_file_does_not_know_is_its_own(call, tmp_path):
    preset = "from kegnet_tf.configs import base\nget_config = base.get_config"
    path = config_file(tmp_path, preset)
    errors = call(f"--config={path}:slow")[2]
    assert f"'{path}:slow' (ValueError: `mode` must" in errors
    assert errors.count("\n") == 1


def test_tuple_that_is_given_twice_is_refused_and_of_a_number_the_last_counts(call):
    twice = ("--config.arms=tucker", "--config.arms=uniform")
    code, _, errors = call(*twice)
    assert code == 1
    assert errors == (
        "-c: `config.arms` must be given once, with all that it holds. Received: 2 times.\n"
    )
    last = ("--config.extraction.beta=1", "--config.extraction.beta=2.5")
    assert call(*last)[:2] == [0, "2.5\n"]
    both = call("--config.arms=('tucker', 'uniform')", main="return str(config.arms)")
    assert both[1] == "('tucker', 'uniform')\n"


@pytest.mark.slow
def test_interruption_is_one_line_and_exit_code_1(call):
    assert call(main="raise KeyboardInterrupt") == [1, "", "-c: interrupted.\n"]


def test_error_of_the_program_keeps_its_traceback(call):
    code, _, errors = call(main="config = {}['x']")
    assert code == 1
    assert "Traceback" in errors


@pytest.mark.parametrize("name", parsing.presets())
def test_every_preset_names_its_network_data_and_students(call, name):
    main = "return bool(config.network and config.data.name and config.students)"
    assert call(f"--dataset={name}", main=main)[:2] == [0, "True\n"]


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "bin").iterdir()))
def test_binary_tells_its_flags_without_importing_tensorflow(execute, name):
    source = f"""
import runpy, sys
try:
    runpy.run_path({str(ROOT / "bin" / name)!r}, run_name="__main__")
finally:
    heavy = {{"tensorflow", "keras", "matplotlib", "tensorflow_datasets", "numpy"}}
    print(sorted(heavy & sys.modules.keys()))
"""
    _, output, errors = execute(source, "--help")
    assert f"\n  {name} --" in output  # an example
    assert "\n  --" in output
    assert output.endswith("\n[]\n")
    assert "Traceback" not in errors
