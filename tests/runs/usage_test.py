import pathlib
import re
import subprocess
import sys

import pytest

from kegnet_tf.runs import parsing

BIN = pathlib.Path(__file__).parents[2] / "bin"


def told(name, *arguments):
    command = [sys.executable, str(BIN / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env={"COLUMNS": "80"})
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_command_without_flags_says_in_a_screen_how_to_begin():
    shown = told("kegnet")
    assert len(shown.splitlines()) < 24
    assert max(map(len, shown.splitlines())) <= 80
    assert "\n  kegnet --dataset=mnist --quick " in shown
    assert "kegnet --help" in shown


def test_help_shows_every_flag_with_its_default_and_what_presets_cost():
    shown = told("kegnet", "--help")
    for flag in ("--dataset=", "--[no]quick", "--teacher=", "--eval_data=", "--[no]verbose"):
        assert f"\n  {flag}" in shown
    assert len(re.findall(r"^  kegnet --", shown, re.MULTILINE)) >= 3
    assert shown.count("]\n") >= 25  # a default for each
    for preset in parsing.presets():
        assert re.search(rf"^  {preset} +\S", shown, re.MULTILINE)
    assert "minutes on two busy cores." in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_long_help_lists_the_settings_of_the_preset_that_is_asked_for():
    assert "\n  --config.extraction.beta=0.0\n" in told("kegnet", "--dataset=mnist", "--helpfull")


@pytest.mark.parametrize("name", ["kegnet", "kegnet-export"])
def test_version_is_one_line(name):
    assert re.fullmatch(r"kegnet-tf \d\S* \(tensorflow \d.*\)\n", told(name, "--version"))
