import shutil
import subprocess
import sys

import pytest

from kegnet_tf import commands


def call(*arguments, main="print(config.extraction.beta)"):
    """Exit code, standard output and standard error of a binary whose `main` is given."""
    source = f"from kegnet_tf import commands\ndef main(config):\n    {main}\ncommands.run(main)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", source, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_preset_is_found_by_name_and_overridden_by_key():
    assert call("--dataset=mnist")[:2] == (0, "0.0\n")
    assert call("--dataset=mnist", "--config.extraction.beta=2.5")[:2] == (0, "2.5\n")


def test_without_a_preset_the_defaults_count():
    main = "print(config.data.name == '', config.students.student.target_ratio)"
    assert call(main=main)[:2] == (0, "True 3.0\n")


def test_mean_and_deviation_are_lists_of_numbers():
    main = "print(config.data.mean, config.data.std)"
    assert (
        call("--input_mean=0.5,1", "--input_std=2,0.25", main=main)[1] == "(0.5, 1.0) (2.0, 0.25)\n"
    )
    assert call("--dataset=mnist", main=main)[1] == "(0.1307,) (0.3081,)\n"


def test_strategy_and_precision_are_short_for_keys():
    main = "print(config.distribution.strategy, config.distribution.mixed_precision)"
    code, printed, _ = call("--strategy=mirrored", "--mixed_precision=float16", main=main)
    assert (code, printed) == (0, "mirrored float16\n")
    assert call("--strategy=ray")[0] == 1


@pytest.mark.parametrize(
    "arguments",
    [["--input_mean=0.5"], ["--input_std=2"], ["--input_mean=a", "--input_std=1"]],
)
def test_mean_and_deviation_come_together_and_are_numbers(arguments):
    code, _, errors = call(*arguments)
    assert code == 1
    assert errors.startswith("-c: `input_")
    assert errors.count("\n") == 1


def test_deviation_of_0_is_refused():
    assert "`input_std` must be" in call("--input_mean=1", "--input_std=0")[2]


def test_quick_is_the_presets_short_form():
    main = "print(config.extraction.epochs * config.num_generators)"
    full = call("--dataset=mnist", main=main)[1]
    assert int(call("--dataset=mnist", "--quick", main=main)[1]) < int(full)


@pytest.mark.parametrize(
    ("recipe", "expected"), [("plus", "kegnet+ auto 100.0"), ("paper", "kegnet cross_entropy 0.0")]
)
def test_recipe_sets_arms_and_losses_of_any_preset(recipe, expected):
    main = "print(config.source, config.distillation.loss, config.extraction.gamma)"
    for preset in ([], ["--dataset=svhn", "--quick"]):
        assert call(*preset, f"--recipe={recipe}", main=main)[1] == f"{expected}\n"


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("--recipe=mine", "recipe"),
        ("--dataset=mist", "`dataset` must be one of"),
        ("--config.extraction.bta=1", "keys that it has. Received: 'bta' Did you mean \"beta\""),
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
    "name",
    ["kegnet", "kegnet-benchmark", "kegnet-evaluate", "kegnet-reproduce", "kegnet-teacher"],
)
def test_binary_is_on_the_path_and_tells_its_flags(name):
    path = shutil.which(name)
    assert path, f"{name} is not installed"
    done = subprocess.run([path, "--help"], capture_output=True, text=True, check=False)
    assert "--dataset" in done.stdout.replace("[no]", "")
    assert "Traceback" not in done.stderr
