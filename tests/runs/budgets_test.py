import pytest
from smallest import tiny_config

from kegnet_tf.configs import base, svhn
from kegnet_tf.runs import budgets, plans
from kegnet_tf.runs.costs import Cost, Costs

GIB = 2.0**30
IMAGES = plans.Shape(3082, 1, images=True, norms=True)


def costs(seconds, row_bytes=1e6):
    """Of a step whose rows take so many seconds, a student's half, and drawing a fifth of it."""
    shares = (1.0, 0.2, 0.5)
    return Costs(GIB, *(Cost(0.0, share * seconds, 0.0, share * row_bytes) for share in shares))


def fitted(config, changes):
    config = config.copy_and_resolve_references()
    config.update_from_flattened_dict(changes)
    return config


def test_plan_adds_up_steps_pilots_and_what_is_held():
    config = tiny_config(num_generators=3)
    config.distillation.update(loss="auto", batch_norm="auto")
    config.extraction.update(epochs=2, steps_per_epoch=5, batch_size=10)
    generators, students, measuring = plans.stages(config, costs(0.01), IMAGES)
    # 3 generators of 10 steps of 10 rows, .01 s each, and 1,000 rows drawn at .002 s to know them.
    assert generators.seconds == pytest.approx(3 * (10 * 0.1 + 1000 * 0.002))
    assert generators.bytes == pytest.approx(GIB + 10e6)
    # A step of 8 rows: .005 + .002 s a row. 2 steps, an evaluation of 16 rows, and 3 pilots.
    step, evaluation = 8 * 0.007, 16 * 0.002
    expected = 2 * step + evaluation + 3 * (100 * step + evaluation)
    assert students.seconds == pytest.approx(expected)
    assert "3 pilots each" in students.work
    # A SavedModel and one format, of the student and of its teacher; five times 16 rows are drawn.
    assert measuring.seconds == pytest.approx(2 * 2 * plans.EXPORT_SECONDS + 5 * evaluation)


@pytest.mark.parametrize(("mode", "steps", "evaluations"), [("training", 200, 2), ("auto", 400, 4)])
def test_plan_counts_the_pilots_that_search_for_a_size_once_a_student(mode, steps, evaluations):
    config, each = tiny_config(num_seeds=2), costs(0.01)
    config.distillation.update(epochs=3, steps_per_epoch=200, batch_norm=mode)
    seconds = [
        plans.stages(config, each, plans.Shape(3082, 3, True, True, searched=count))[1].seconds
        for count in (0, 2)
    ]
    pilot = steps * 8 * 0.007 + evaluations * 16 * 0.002  # as above; `searching.STEPS`, two modes
    assert seconds[1] - seconds[0] == pytest.approx(2 * 4 * pilot)


@pytest.mark.parametrize(
    ("loss", "mode", "images", "norms", "count"),
    [
        ("auto", "auto", True, True, 3),
        ("auto", "auto", True, False, 2),
        ("auto", "auto", False, True, 2),
        ("auto", "auto", False, False, 0),
        ("logits", "training", True, True, 0),
    ],
)
def test_pilots_are_counted_as_they_are_made(loss, mode, images, norms, count):
    config = tiny_config()
    config.distillation.update(loss=loss, batch_norm=mode)
    assert plans.Shape(10, 1, images, norms).pilots(config) == count


def test_run_that_fits_is_left_alone():
    assert budgets.fit(base.get_config("quick"), costs(1e-4), IMAGES, 25, 16 * GIB) == {}
    assert budgets.fit(svhn.get_config(), costs(10.0), IMAGES, 0, 16 * GIB) == {}  # no budget


@pytest.mark.parametrize("seconds", [0.01, 0.06, 0.3])
@pytest.mark.parametrize("mode", ["", "quick", "paper"])
@pytest.mark.parametrize("minutes", [20, 60, 600])
def test_budget_is_kept_and_most_of_it_used(seconds, mode, minutes):
    config, each = base.get_config(mode), costs(seconds)
    whole = plans.seconds(plans.stages(config, each, IMAGES))
    changes = budgets.fit(config, each, IMAGES, minutes, 64 * GIB)
    left = plans.seconds(plans.stages(fitted(config, changes), each, IMAGES))
    assert left <= 60 * minutes
    if whole > 60 * minutes and "batch_size" not in changes:
        assert left > 0.7 * 60 * minutes


def test_budget_without_sense_is_refused_with_the_least_that_has_some():
    config, each = base.get_config(), costs(1.0)
    with pytest.raises(ValueError, match="`minutes` must be at least (.*) for") as caught:
        budgets.fit(config, each, IMAGES, 0.5, 64 * GIB)
    least = int(str(caught.value).split("at least ")[1].split()[0])
    budgets.fit(config, each, IMAGES, 1.1 * least, 64 * GIB)


def test_batches_are_cut_until_they_fit_and_the_plan_says_so():
    config, each = base.get_config(), costs(0.01, row_bytes=3e7)  # 7.7 GB a step of 256
    changes = budgets.fit(config, each, IMAGES, 0, 4 * GIB)
    assert changes == {"held_out": 1000, "extraction.batch_size": 64, "batch_size": 32}
    rows = plans.stages(fitted(config, changes), each, IMAGES)
    assert max(row.bytes for row in rows) < 4 * GIB
    told = plans.table(rows, changes, 4 * GIB)
    assert "cut to fit: " in told
    assert "Moments and diversity are those of the smaller batches." in told


def test_teacher_that_no_batch_fits_is_refused_in_one_line():
    each = costs(0.01, row_bytes=1e9)
    with pytest.raises(ValueError, match="2 GiB of memory can train.*smallest batches take"):
        budgets.fit(base.get_config(), each, IMAGES, 0, 2 * GIB)
