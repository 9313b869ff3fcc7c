import pytest

from kegnet_tf.configs import base
from kegnet_tf.extraction import ExtractionSettings


@pytest.mark.parametrize("mode", ["", "quick", "paper"])
def test_section_of_a_preset_holds_the_settings_by_name(mode):
    section = base.get_config(mode).extraction
    settings = ExtractionSettings(**section)
    assert set(section) == set(vars(settings))


@pytest.mark.parametrize("name", ["alpha", "beta", "gamma", "jitter"])
def test_negative_weight_of_a_loss_is_refused(name):
    with pytest.raises(ValueError, match=f"`{name}` must be 0 or more. Received: -1."):
        ExtractionSettings(**{name: -1})


@pytest.mark.parametrize("name", ["alpha", "beta", "gamma", "learning_rate"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), "1", None, True, 1e39])
def test_what_is_no_finite_number_is_refused(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be a finite number. Received: "):
        ExtractionSettings(**{name: value})


@pytest.mark.parametrize("value", [0, -1.0, 1e-60])
def test_learning_rate_that_is_not_above_0_is_refused(value):
    with pytest.raises(ValueError, match=f"`learning_rate` must be above 0. Received: {value}."):
        ExtractionSettings(learning_rate=value)


@pytest.mark.parametrize("name", ["batch_size", "epochs", "steps_per_epoch"])
@pytest.mark.parametrize(
    ("value", "rule"),
    [(0, "1 or more"), (-1, "1 or more"), (8.0, "a whole number"), (True, "a whole number")],
)
def test_what_is_no_count_is_refused(name, value, rule):
    with pytest.raises(ValueError, match=f"`{name}` must be {rule}. Received: {value}."):
        ExtractionSettings(**{name: value})


@pytest.mark.parametrize(
    ("rates", "rule"),
    [
        (0.3, "be a sequence"),
        ((0.3, -0.1), "be 0 or more"),
        ((1.0,), "be 0.99 or less"),
        (("a",), "be a finite number"),
    ],
)
def test_what_is_no_rate_of_dropout_is_refused(rates, rule):
    with pytest.raises(ValueError, match=f"`dropout` must {rule}. Received: "):
        ExtractionSettings(dropout=rates)


def test_unknown_distance_is_refused():
    with pytest.raises(ValueError, match="`distance` must be one of l1, l2. Received: 'cosine'"):
        ExtractionSettings(distance="cosine")
