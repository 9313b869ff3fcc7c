"""Wrong settings, made from the configuration's own keys: all are refused before any work."""

import functools
import operator
import os
import pathlib
import shutil
import subprocess
import sys
import time
import types

import pytest
import tensorflow as tf
from hypothesis import example, given
from hypothesis import strategies as st
from ml_collections import ConfigDict
from smallest import tiny_config, tiny_teacher
from smallest_runs import tiny_run

import kegnet_tf
from kegnet_tf import runs
from kegnet_tf.configs import base, letter, mnist
from kegnet_tf.runs import checks
from kegnet_tf.runs.settings import check_settings

NAN, INFINITY = float("nan"), float("inf")
WORDS = ("", "un known", "x" * 300, "../up", "/abs")
ANYWHERE = (None, NAN, b"1")
# By the type of a preset's own value: of another type, negative, zero, not finite, huge, empty.
WRONG = {
    bool: (*ANYWHERE, "true", 1, 0, 2.0, ()),
    int: (*ANYWHERE, True, "1", 2.5, (1,), (), -1, 0, INFINITY, 10**18, 2**70),
    float: (*ANYWHERE, "much", (1.0,), (), -1.0, 0.0, INFINITY, -INFINITY, 1e30, 10**300),
    str: (*ANYWHERE, True, 5, (), "a\0b", "a\nb", *WORDS),
    tuple: (*ANYWHERE, True, 5, "much", {}, (), (None,), (NAN,), (True,), (-1,), (0,), (10**18,))
    + (("unknown",), ([],), (1e30,), (INFINITY,), ("",)),
    dict: (*ANYWHERE, True, 5, "much", (), {}, {"unknown": 1}, {5: 5}),
}
# What of this is right after all, by key.
RIGHT = {
    **dict.fromkeys(("seed", "synthetic_size", "save_synthetic", "extraction.jitter"), (0,)),
    **dict.fromkeys(("extraction.alpha", "extraction.beta", "extraction.gamma"), (0.0,)),
    **dict.fromkeys(("training.weight_decay", "training.shift", "export.tolerance"), (0.0,)),
    **dict.fromkeys(
        [f"synthesis.mixture.{name}" for name in ("kegnet", "procedural", "unlabeled")], (0.0,)
    ),
    **dict.fromkeys(("teacher", "network", "devices.strategy", "devices.mixed_precision"), ("",)),
    "training.mixed_precision": ("",),
    **dict.fromkeys(("generator.units", "dense_generator.units", "export.formats"), ((),)),
    "synthesis.class_prior": ((),),
    "extraction.dropout": ((), (0,)),
    # Without data; which there are is TFDS's business.
    "data.name": WORDS,
    **dict.fromkeys(("data.image_shape", "data.label_names"), ((),)),
    "data.mean": ((-1,), (0,)),
    "data.splits": ({},),
    **dict.fromkeys([f"data.splits.{name}" for name in ("train", "valid", "test")], WORDS),
    # Without a policy, ranks are VBMF's; the teacher's layers are looked at later.
    **dict.fromkeys([f"students.student{number}" for number in ("", 1, 2, 3)], ({},)),
    **{f"students.student{number}.ranks": (None, {"unknown": 1}) for number in ("", 1, 2, 3)},
    **{
        f"students.student.{name}": (None,)
        for name in ("target_ratio", "target_macs", "target_kb", "target_latency", "max_loss")
    },
}


def keys(config, prefix=""):
    """Every dotted key of a preset with its own value, sections among them."""
    for key, value in config.items():
        yield f"{prefix}{key}", value
        if isinstance(value, dict):
            yield from keys(value, f"{prefix}{key}.")


def same(one, other):
    return type(one) is type(other) and (one == other or one is other)


def wrong_settings(config, right):
    """(key, value) of what must be refused."""
    for key, own in keys(config.to_dict()):
        own = 1.0 if own is None else own  # of a number that is not asked for
        kind = next(kind for kind in WRONG if isinstance(own, kind))
        for value in WRONG[kind]:
            if not any(same(value, each) for each in right.get(key, ())):
                yield key, value
        if isinstance(own, tuple) and own and isinstance(own[0], str):
            yield key, (*own, own[0]) if key != "data.label_names" else own[1:]
        if isinstance(own, dict) and not key.endswith(".ranks"):
            yield f"{key}.unknown", 1.0


def complaint(key, refuse):
    """Why a setting is not refused as it should be; "" where it is."""
    began = time.perf_counter()
    try:
        refuse()
    except ValueError as error:
        message = str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    else:
        return "accepted"
    if not " ".join(message.split()).isprintable() or len(message) > 600:
        return f"not one line: {message!r}"
    if not any(part in message for part in key.split(".")):
        return f"does not name it: {message}"
    return "" if time.perf_counter() - began < 10 else "slow"


def complaints(settings, refuse):
    """What was not refused as it should be, and why."""
    found = [(each, complaint(each[0], lambda each=each: refuse(*each))) for each in settings]
    return {f"{key}={value!r}"[:80]: why for (key, value), why in found if why}


@pytest.fixture
def call(monkeypatch, tmp_path):
    """`kegnet_tf.run` on one teacher, up to where something would be written."""
    teacher = tiny_teacher()
    monkeypatch.setattr(runs.Run, "classifier", teacher)
    monkeypatch.setattr(runs.Run, "report", property(lambda run: run.check()))
    monkeypatch.chdir(tmp_path)

    def run(key, value):
        fits = {} if key.startswith("students") else {"students.student.target_ratio": 2.0}
        try:
            kegnet_tf.run(teacher, tmp_path / "run", quick=True, settings=fits | {key: value})
        finally:
            assert not any(tmp_path.iterdir())

    return run


def test_every_wrong_setting_is_refused_in_one_line_before_anything_is_written(call):
    right = RIGHT | dict.fromkeys(("data.mean", "data.std"), ((),))
    settings = list(wrong_settings(base.get_config("quick"), right))
    assert len(settings) > 900
    assert complaints(settings, call) == {}


PRESETS = {"mnist": (mnist, 10), "letter": (letter, 26)}


def force(name, key, value):
    """Checks a preset in which a value stands that no flag would let through."""
    preset, classes = PRESETS[name]
    config = preset.get_config("quick")
    shape = tuple(config.data.get("image_shape", (16,)))
    classifier = types.SimpleNamespace(input_shape=(None, *shape), output_shape=(None, classes))
    *section, last = key.split(".")
    with config.unlocked(), config.ignore_type():
        functools.reduce(operator.getitem, section, config)[last] = value
    setup = runs.Setup(config, teacher="none")
    setup.classifier = classifier
    data = setup.real.dataset
    checks.check_preset(config, classifier, data.input_shape, len(data.label_names))


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("step", [11, pytest.param(1, marks=pytest.mark.slow)])
def test_wrong_setting_that_a_preset_itself_holds_is_refused(name, step):
    settings = list(wrong_settings(PRESETS[name][0].get_config("quick"), RIGHT))
    assert len(settings) > 1000
    assert complaints(settings[::step], functools.partial(force, name)) == {}


@pytest.mark.parametrize("name", PRESETS)
def test_right_edges_are_taken(name):
    known = dict(keys(PRESETS[name][0].get_config("quick").to_dict()))
    edges = [(key, value) for key in RIGHT if key in known for value in RIGHT[key]]
    assert len(edges) > 25
    for key, value in edges:
        force(name, key, value)


@given(st.text("aZ09._-/\\ :\0\n\u2028é", max_size=110))
@example("/abs")
@example("a/b")
@example("..")
@example("x" * 300)
@example("a\0b")
@example("a\n")
@example("")
@example(".hidden")
@example("é")
@example("a.b-c_D.9")
def test_students_are_named_by_names_of_files_or_refused(name):
    config = base.get_config("quick")
    config.students = ConfigDict({name: {"target_ratio": 2.0}}, allow_dotted_keys=True)
    named = complaint("students", lambda: check_settings(config))
    if named == "accepted":
        assert name == pathlib.PurePath("folder", f"{name}.keras").stem
        assert len(name.encode()) <= 100
        assert not name.startswith(".")
    else:
        assert named == ""


def test_student_without_a_text_for_a_name_is_refused():
    config = base.get_config("quick")
    config.students = {5: {"target_ratio": 2.0}}
    with pytest.raises(ValueError, match="`students` must be named by .* Received: 5"):
        check_settings(config)


@pytest.mark.parametrize("batch", ["batch_size", "extraction.batch_size"])
def test_batch_that_the_devices_cannot_share_is_refused(batch, monkeypatch):
    devices = [types.SimpleNamespace(name=f"CPU:{index}") for index in range(2)]
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: devices)
    config = tiny_config(**{"devices.strategy": "mirrored", batch: 7})
    with pytest.raises(ValueError, match="`batch_size` must be a multiple of the 2 devices"):
        checks.check_preset(config, tiny_teacher(), (), 0)


def test_mean_is_one_number_or_one_for_each_channel():
    config = tiny_config(**{"data.mean": (0.5, 0.5), "data.std": (0.25, 0.25)})
    with pytest.raises(ValueError, match="`mean` must hold one number, or one for each of the 1 "):
        checks.check_preset(config, tiny_teacher(), (), 0)


def test_image_that_no_generator_draws_is_refused():
    classifier = types.SimpleNamespace(input_shape=(None, 6, 8, 1), output_shape=(None, 3))
    with pytest.raises(ValueError, match="`image_shape` must be .* at least 8 pixels each way"):
        checks.check_preset(tiny_config(), classifier, (), 0)


@pytest.mark.slow
def test_finished_run_is_not_exported_again_by_wrong_settings(tmp_path):
    tiny_run(tmp_path / "run")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    settings = [each for each in wrong_settings(tiny_config(), RIGHT) if "export." in each[0]]
    assert len(settings) > 25

    def refuse(key, value):
        runs.Run.open(tmp_path / "run", overrides={key: value}).export()

    assert complaints(settings, refuse) == {}
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize(
    ("key", "value"),
    [("training.epochs", 0), ("training.shift", NAN), ("training.flip", None), ("network", "vgg")],
)
def test_teacher_is_not_trained_by_wrong_settings_nor_are_its_data_read(key, value, tmp_path):
    config = mnist.get_config("quick")
    config.update_from_flattened_dict({key: value, "data.name": "no_such_data"})
    with pytest.raises(ValueError, match=f"^`{key.rpartition('.')[2]}` must "):
        runs.train_teacher(config, tmp_path / "teacher.keras")
    assert not any(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    "setting",
    [
        *("extraction.beta=nan", "extraction.beta=inf", "extraction.bta=1", "held_out=0"),
        *("export.headroom=nan", "arms=()", "seed=-1", "num_generators=2.5"),
        *("students.student.target_ratio=nan", "distillation.learning_rate=much"),
    ],
)
def test_wrong_flag_ends_in_one_line_within_ten_seconds(setting, tmp_path):
    tiny_teacher().save(tmp_path / "teacher.keras")
    before = os.times()
    done = subprocess.run(
        [
            *(sys.executable, shutil.which("kegnet"), "--teacher=teacher.keras", "--workdir=run"),
            f"--config.{setting}",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    after = os.times()
    assert done.returncode == 1
    assert done.stdout == ""
    # TensorFlow has lines of its own.
    (line,) = (each for each in done.stderr.splitlines() if each.startswith("kegnet: "))
    assert "Traceback" not in done.stderr
    assert setting.split("=")[0].rpartition(".")[2] in line
    assert [path.name for path in tmp_path.iterdir()] == ["teacher.keras"]
    spent = after.children_user + after.children_system
    assert spent - before.children_user - before.children_system < 10
