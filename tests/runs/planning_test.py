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


def tiny(folder, kind=Run, **overrides):
    settings = {"extraction.steps_per_epoch": 400, "distillation.steps_per_epoch": 400}
    return kind(tiny_config(**settings | overrides), folder, teacher=tiny_teacher())


def begin_generators(run):
    path = run.paths["generators"] / "0.backup.npz"
    path.parent.mkdir(parents=True)
    path.touch()


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


def test_planned_run_is_of_its_kind_and_loads_and_decomposes_nothing_again(measured, tmp_path):
    config = tiny_config(**{"extraction.steps_per_epoch": 4000})
    config.students = {"student": {"skip": "logits", "energy": 0.9}}
    asked = Halted(config, tmp_path / "run", teacher=tiny_teacher())
    asked.also = {"device": "other"}
    plan, run, _ = planning.planned(asked, minutes=20)
    assert plan["changes"]
    assert type(run) is Halted
    assert run.classifier is asked.classifier
    assert run.early["student"] is asked.early["student"]
    assert run.identity["device"] == "other"


class Halted(Run):
    """Ends where the work would begin."""

    @property
    def report(self):
        raise KeyboardInterrupt


@pytest.mark.slow
def test_interrupted_run_goes_on_by_its_plan_and_measures_nothing_again(measured, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        planning.carry_out(tiny(tmp_path / "run", Halted), minutes=20)
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
    begin_generators(run)
    plan, same, text = planning.planned(tiny(tmp_path / "run"), minutes=20)
    assert (plan, measured) == (None, [])
    assert same.config.extraction.steps_per_epoch == 400
    assert text.endswith("was begun without a plan, and goes on.")


@pytest.mark.slow
def test_folder_that_was_claimed_before_any_generator_gets_its_plan(measured, tmp_path):
    run = tiny(tmp_path / "run")
    run.workdir.mkdir()
    run.claim()  # as for a curve, or before a kill
    assert (tmp_path / "run" / "config.json").exists()
    plan, _, text = planning.planned(tiny(tmp_path / "run"), minutes=20)
    assert plan["changes"]
    assert "cut to fit: " in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("minutes", "changed"),
    [(20, {"export.headroom": 3.0}), (18, {}), (0, {"num_seeds": 2})],
)
def test_generators_that_were_begun_stay_as_planned_whatever_else_changes(
    measured, tmp_path, minutes, changed
):
    with pytest.raises(KeyboardInterrupt):
        planning.carry_out(tiny(tmp_path / "run", Halted), minutes=20)
    _, before, _ = planning.planned(tiny(tmp_path / "run"), minutes=20)
    begin_generators(before)
    asked = tiny(tmp_path / "run", Halted, **changed)
    with pytest.raises(KeyboardInterrupt):
        planning.carry_out(asked, minutes=minutes)
    plan, after, text = planning.planned(asked, minutes=minutes)
    assert text.startswith("As planned before:\n")
    assert after.config.extraction == before.config.extraction
    assert after.config.extraction != asked.config.extraction
    assert after.config.num_generators == before.config.num_generators
    steps = [each.config.distillation.steps_per_epoch for each in (after, before)]
    assert (minutes == 18) == (steps[0] < steps[1])
    assert after.config.export.headroom == changed.get("export.headroom", 2.0)


@pytest.mark.slow
def test_settings_of_generators_that_are_asked_for_anew_are_refused_once_these_were_begun(
    measured, tmp_path
):
    with pytest.raises(KeyboardInterrupt):
        planning.carry_out(tiny(tmp_path / "run", Halted), minutes=20)
    begin_generators(tiny(tmp_path / "run"))
    asked = tiny(tmp_path / "run", **{"extraction.steps_per_epoch": 399})
    with pytest.raises(ValueError, match="`workdir` must be new .*extraction.steps_per_epoch is"):
        planning.planned(asked, minutes=20)


def test_short_form_is_cut_to_its_least_and_never_refused(monkeypatch, tmp_path):
    each = Cost(0.0, 100.0, 0.0, 1e3)
    monkeypatch.setattr(costs, "measure", lambda run: Costs(1e6, each, each, each))
    with pytest.raises(ValueError, match="`minutes` must be at least"):
        planning.planned(tiny(tmp_path / "run"), 25.0, quick=True)
    _, run, _ = planning.planned(tiny(tmp_path / "run"), quick=True)
    made = run.config.extraction
    assert made.epochs * made.steps_per_epoch == 50


@pytest.mark.slow
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
