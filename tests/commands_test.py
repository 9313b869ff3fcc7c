import shutil
import subprocess
import sys

import pytest

from kegnet_tf import commands


def call(*arguments, main="print(config.extraction.beta)"):
    """Exit code, standard output and standard error of a binary whose `main` is given."""
    source = f"from kegnet_tf import commands\ndef main(config):\n    {main}\ncommands.run(main)"
    done = subprocess.run(
        [sys.executable, "-c", source, *arguments], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_preset_is_found_by_name_and_overridden_by_key():
    assert call("--dataset=mnist")[:2] == (0, "0.0\n")
    assert call("--dataset=mnist", "--config.extraction.beta=2.5")[:2] == (0, "2.5\n")


def test_quick_is_the_presets_short_form():
    main = "print(config.extraction.epochs * config.num_generators)"
    assert int(call("--quick", main=main)[1]) < int(call(main=main)[1])


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("--dataset=mist", "`dataset` must be one of"),
        ("--config.extraction.bta=1", "bta"),
        ("--config.extraction.epochs=many", "epochs=many"),
        ("--extraction=1", "extraction"),
        ("mnist", "Flags must start with `--`. Received: 'mnist'"),
        ("--config=nowhere.py", "nowhere.py"),
    ],
)
def test_wrong_flag_is_one_line_and_exit_code_1(argument, words):
    code, output, errors = call(argument)
    assert code == 1
    assert not output
    assert errors.count("\n") == 1
    assert words in errors


@pytest.mark.parametrize("error", ["ValueError", "OSError"])
def test_bad_input_is_one_line_and_exit_code_1(error):
    assert call(main=f"raise {error}('`x` must\\n be y.')") == (1, "", "-c: `x` must be y.\n")


def test_error_of_the_program_keeps_its_traceback():
    code, _, errors = call(main="config = {}['x']")
    assert code == 1
    assert "Traceback" in errors


@pytest.mark.parametrize("name", commands.presets())
def test_every_preset_names_its_network_data_and_students(name):
    main = "print(bool(config.network and config.data.name and config.students))"
    assert call(f"--dataset={name}", main=main)[:2] == (0, "True\n")


@pytest.mark.parametrize(
    "name", ["kegnet", "kegnet-benchmark", "kegnet-evaluate", "kegnet-teacher"]
)
def test_binary_is_on_the_path_and_tells_its_flags(name):
    path = shutil.which(name)
    assert path, f"{name} is not installed"
    done = subprocess.run([path, "--help"], capture_output=True, text=True, check=False)
    assert "--dataset" in done.stdout.replace("[no]", "")
    assert "Traceback" not in done.stderr
