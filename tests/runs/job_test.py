import pytest
from smallest import tiny_config, tiny_teacher

import kegnet_tf as kegnet


def test_public_names_are_these_and_each_can_be_loaded():
    assert len(kegnet.__all__) <= 17
    for name in kegnet.__all__:
        assert callable(getattr(kegnet, name))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"recipe": "mine"}, "`recipe` must be one of plus, paper. Received: 'mine'"),
        ({"quick": "yes"}, "`quick` must be true or false. Received: 'yes'"),
        ({"settings": {"extraction.bta": 1.0}}, "`settings` must be overridden by keys"),
        ({"settings": {"extraction.beta": 10**400}}, "`settings` must be overridden by keys"),
        ({"settings": "beta"}, "`settings` must have keys. Received: 'beta'"),
        ({"target_ratio": "much"}, "`target_ratio` must be a finite number. Received: 'much'"),
        ({"target_ratio": 0.5}, "`target_ratio` must lie in"),
        ({"target_ratio": 1.5, "eval_data": "none.npz"}, "`eval_data` must be a .npz file"),
        ({"target_ratio": 1.5, "eval_data": "none"}, "`eval_data` must be .* or a folder"),
        ({"target_ratio": 1.5, "unlabeled": "none"}, "`unlabeled` must be .* or a folder"),
        ({"recipe": "paper", "unlabeled": "none"}, "`unlabeled` must come with an arm that"),
    ],
)
def test_wrong_argument_is_refused_before_anything_is_written(arguments, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        kegnet.run(tiny_teacher(), tmp_path / "run", **arguments)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_whole_job_is_one_call_and_its_run_says_what_came_out(tmp_path):
    settings = {
        key: value
        for section in ("extraction", "distillation")
        for key, value in (
            (f"{section}.{each}", tiny_config()[section][each])
            for each in ("epochs", "steps_per_epoch")
        )
    }
    settings |= {"held_out": 16, "keep_unrecognised": True, "export.calibration_size": 6}
    run = kegnet.run(tiny_teacher(), tmp_path, target_ratio=1.5, quick=True, settings=settings)
    assert run.report.students == run.students
    assert {row.arm for row in run.students} == {"tucker", "kegnet+"}
    assert 1.5 <= run.students[0].compression_ratio < 2  # reached from above
    assert (run.paths["export"] / "student_int8.tflite").exists()
    assert run.load_student().output_shape == (None, 3)
    assert kegnet.run(tiny_teacher(), tmp_path, target_ratio=1.5, quick=True, settings=settings)
