import pytest
from smallest import tiny_config, tiny_teacher

from kegnet_tf.runs import Run, costs, planning
from kegnet_tf.runs.costs import Cost, Costs


@pytest.fixture
def measured(monkeypatch):
    """What is measured in place of a step: a tenth of a second for each row."""
    asked, each = [], Cost(0.0, 0.1, 0.0, 1e3)

    def measure(run):
        asked.append(run)
        return Costs(1e6, each, each, each)

    monkeypatch.setattr(costs, "measure", measure)
    return asked


def tiny(folder, **overrides):
    settings = {"extraction.steps_per_epoch": 400, "distillation.steps_per_epoch": 400}
    return Run(tiny_config(**settings | overrides), folder, teacher=tiny_teacher())


def test_plan_alone_writes_nothing(measured, tmp_path):
    text = planning.carry_out(tiny(tmp_path / "run"), only_plan=True)
    assert "generators: 2 of 800 steps of 8, 0.8 s a step, " in text
    assert "in all: about " in text
    assert "cut to fit" not in text
    assert not (tmp_path / "run").exists()


def test_planned_run_has_the_settings_that_fit(measured, tmp_path):
    plan, run, text = planning.planned(tiny(tmp_path / "run"), minutes=20)
    assert "cut to fit: " in text
    assert run.config.extraction.epochs * run.config.extraction.steps_per_epoch < 800
    assert run.config.extraction.steps_per_epoch == plan["changes"]["extraction.steps_per_epoch"]
    assert run.workdir == tmp_path / "run"


class Halted(Run):
    """Ends where the work would begin."""

    @property
    def report(self):
        raise KeyboardInterrupt


def test_interrupted_run_goes_on_by_its_plan_and_measures_nothing_again(
    measured, tmp_path, monkeypatch
):
    monkeypatch.setattr(planning, "Run", Halted)
    with pytest.raises(KeyboardInterrupt):
        planning.carry_out(tiny(tmp_path / "run"), minutes=20)
    assert len(measured) == 1
    plan, run, text = planning.planned(tiny(tmp_path / "run"), minutes=20)
    assert text.startswith("As planned before:\n")
    assert run.config.extraction.steps_per_epoch == plan["changes"]["extraction.steps_per_epoch"]
    assert len(measured) == 1
    planning.planned(tiny(tmp_path / "run"), minutes=15)  # another budget, another plan
    assert len(measured) == 2


def test_folder_that_was_begun_without_a_plan_goes_on_without_one(measured, tmp_path):
    run = tiny(tmp_path / "run")
    run.workdir.mkdir()
    run.claim()
    plan, same, text = planning.planned(tiny(tmp_path / "run"), minutes=20)
    assert (plan, measured) == (None, [])
    assert same.config.extraction.steps_per_epoch == 400
    assert text.endswith("was begun without a plan, and goes on.")


def test_student_that_is_searched_for_is_planned_without_generators(tmp_path, monkeypatch):
    class Untrained(Run):
        @property
        def generators(self):
            raise AssertionError("A plan comes before all training.")

    monkeypatch.setattr(costs, "fitted", lambda *_: Cost(0.0, 0.1, 0.0, 1e3))
    config = tiny_config()
    config.students = {"student": {"target_ratio": 2.0}, "searched": {"max_loss": 1.0}}
    run = Untrained(config, tmp_path / "run", teacher=tiny_teacher())
    text = planning.carry_out(run, only_plan=True)
    assert "students: 2 of 2 steps of 8, 0.9 s a step, 4 pilots for sizes, " in text
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_steps_of_a_run_are_measured():
    run = Run(tiny_config(), "nowhere", teacher=tiny_teacher())
    found = costs.measure(run)
    for cost in (found.extraction, found.drawing, found.distillation):
        assert 0 < cost.time(8) < 10
        assert cost.memory(8) >= 0
    assert found.held > 2**26
