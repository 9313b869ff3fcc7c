import json

import keras
import numpy as np
import pytest
from smallest import tiny_config, tiny_generator, tiny_teacher
from smallest_runs import HereRun, tiny_run

from kegnet_tf import export, runs
from kegnet_tf.runs import calibration, students, unlabeled


@pytest.fixture
def pictures(tmp_path):
    """Folder of five pictures."""
    rng, folder = np.random.default_rng(0), tmp_path / "pictures"
    folder.mkdir()
    for index in range(5):
        x = rng.integers(0, 256, (8, 8, 1)).astype(np.uint8)
        keras.utils.save_img(folder / f"{index}.png", x, scale=False)
    return folder


def opened(folder, pictures="", **overrides):
    """A run of `tiny_teacher` with one generator, not claimed."""
    scale = {"data.mean": (0.5,), "data.std": (0.25,)}
    data = runs.DataOptions(unlabeled=str(pictures))
    config = tiny_config(**scale, **overrides)
    run = HereRun(config, folder / "run", teacher=tiny_teacher(), data=data)
    run.generators = [tiny_generator()]
    return run


@pytest.mark.slow
def test_students_learn_from_pictures_and_are_measured_without_them(tmp_path, pictures):
    run = opened(tmp_path, pictures)
    assert run.source("kegnet+").shares == dict.fromkeys(
        ("kegnet", "procedural", "unlabeled"), pytest.approx(1 / 3)
    )
    assert run.source().shares == {"kegnet": 0.5, "procedural": 0.5}
    assert opened(tmp_path).source("kegnet+").shares == {"kegnet": 0.5, "procedural": 0.5}
    x, _ = run.source("unlabeled").sample(8, seed=0)
    assert {*map(bytes, x)} <= {*map(bytes, run.real.unlabeled)}


@pytest.mark.slow
def test_record_of_a_student_tells_the_pictures_and_is_as_it_was_without_any(tmp_path, pictures):
    key = "student", "kegnet+", 0
    without = students.made_of(opened(tmp_path), key)
    assert "unlabeled" not in json.dumps(without)
    assert without["synthesis"]["mixture"] == {"kegnet": 1.0, "procedural": 1.0}
    first = students.made_of(opened(tmp_path, pictures), key)
    assert first["synthesis"]["mixture"]["unlabeled"] == 1.0
    (pictures / "4.png").unlink()
    second = students.made_of(opened(tmp_path, pictures), key)
    assert first["unlabeled"] != second["unlabeled"]
    first["unlabeled"] = second["unlabeled"]
    assert first == second


def test_sentence_tells_who_learned_from_what_and_there_is_none_without_pictures(
    tmp_path, pictures
):
    arms = ("tucker", "kegnet", "kegnet+", "unlabeled")
    run = opened(tmp_path, pictures, arms=arms, source="kegnet+")
    assert unlabeled.sentence(run) == (
        "Students of kegnet+ and unlabeled also learned from 5 unlabelled pictures of "
        f"{pictures}; not data-free."
    )
    assert unlabeled.sentence(opened(tmp_path)) == ""


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"source": "unlabeled"}, "`source` must be artificial: .* Received: 'unlabeled'"),
        (
            {"arms": ("tucker", "kegnet"), "source": "kegnet"},
            "`unlabeled` must come with an arm that learns from it.* `arms` are tucker, kegnet.",
        ),
        ({"synthesis.mixture.unlabeled": 0.0}, "`unlabeled` must come with an arm that learns"),
    ],
)
def test_pictures_that_nobody_learns_from_are_refused_before_anything_is_written(
    overrides, message, tmp_path, pictures
):
    with pytest.raises(ValueError, match=message):
        opened(tmp_path, pictures, **overrides).report
    assert not (tmp_path / "run").exists()


def test_calibration_on_pictures_that_are_not_at_hand_is_refused(tmp_path):
    run = tiny_run(tmp_path / "run")
    assert calibration.calibration(run, "kegnet+").name == "kegnet+"
    message = "`calibration` must be another source where the run's pictures .* Received: '{}'"
    with pytest.raises(ValueError, match=message.format("unlabeled")):
        calibration.calibration(run, "unlabeled")
    run.measured = runs.Report(**{**vars(run.measured), "unlabeled": "Students also learned."})
    with pytest.raises(ValueError, match=message.format(r"kegnet\+")):
        calibration.calibration(run, "kegnet+")
    assert calibration.calibration(run, "gaussian").name == "gaussian"


def test_calibration_on_pictures_takes_them_as_the_student_expects_them(tmp_path, pictures):
    run = opened(tmp_path, pictures, **{"export.calibration_size": 4})
    run.measured = None
    found = calibration.calibration(run, "unlabeled")
    assert found.data.shape == (4, 8, 8, 1)
    assert {*map(bytes, found.data)} <= {*map(bytes, run.real.unlabeled)}


@pytest.mark.slow
def test_run_with_pictures_says_so_wherever_it_says_anything(tmp_path, pictures):
    for name in ("ant", "bee", "$cow^$"):  # which is no formula
        (tmp_path / "test" / name).mkdir(parents=True)
        for index in range(2):
            x = np.random.default_rng(index).integers(0, 256, (12, 9, 1)).astype(np.uint8)
            keras.utils.save_img(tmp_path / "test" / name / f"{index}.png", x, scale=False)
    scale = {"data.mean": (0.5,), "data.std": (0.25,)}
    folder, test = tmp_path / "run", str(tmp_path / "test")

    def made(pictures):
        data = runs.DataOptions(test, unlabeled=str(pictures))
        run = HereRun(tiny_config(**scale), folder, teacher=tiny_teacher(), data=data)
        run.report
        return run

    before = made("")
    assert "data-free" not in (folder / "report.md").read_text()
    card = (folder / "export" / "README.md").read_text()
    assert "distilled without data" in card
    assert "unlabelled" not in card
    trained = before.student_path(before.students[1]).read_bytes()
    run = made(pictures)
    assert run.student_path(run.students[1]).read_bytes() != trained
    told = (
        f"Students of kegnet+ also learned from 5 unlabelled pictures of {pictures}; not data-free."
    )
    for name in ("report.json", "report.md", "export/README.md"):
        assert told in (folder / name).read_text()
    assert "without data" not in (folder / "export" / "README.md").read_text()
    assert (folder / "export" / "labels.txt").read_text() == "$cow^$\nant\nbee\n"
    # The folders' names are kept where they are not at hand any more, and so is the sentence.
    again = runs.Run.open(folder)
    again.convert = run.convert
    again.export(output=tmp_path / "again")
    assert (tmp_path / "again" / "labels.txt").read_text() == "$cow^$\nant\nbee\n"
    assert told in (tmp_path / "again" / "README.md").read_text()
    assert export.ExportRecord.read(folder / "export").real_examples == 6
    (pictures / "0.png").unlink()
    assert "from 4 unlabelled pictures" in made(pictures).report.unlabeled
