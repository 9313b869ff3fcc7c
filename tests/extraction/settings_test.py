import pytest

from kegnet_tf.configs import base
from kegnet_tf.extraction import ExtractionSettings


@pytest.mark.parametrize("mode", ["", "quick", "paper"])
def test_section_of_a_preset_holds_the_settings_by_name(mode):
    section = base.get_config(mode).extraction
    settings = ExtractionSettings(**section)
    settings.check()
    assert set(section) == set(vars(settings))


@pytest.mark.parametrize("name", ["alpha", "beta", "gamma", "jitter"])
@pytest.mark.parametrize("weight", [-1.0, float("nan")])
def test_negative_weight_of_a_loss_is_refused(name, weight):
    with pytest.raises(ValueError, match=f"`{name}` must be 0 or more. Received: {weight}."):
        ExtractionSettings(**{name: weight}).check()


@pytest.mark.parametrize("name", ["learning_rate", "batch_size", "epochs", "steps_per_epoch"])
@pytest.mark.parametrize("value", [0, -1])
def test_number_that_is_not_above_0_is_refused(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be above 0. Received: {value}."):
        ExtractionSettings(**{name: value}).check()


def test_unknown_distance_is_refused():
    with pytest.raises(ValueError, match="`distance` must be 'l1' or 'l2'. Received: 'cosine'"):
        ExtractionSettings(distance="cosine").check()
