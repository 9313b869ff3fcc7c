import pytest

from kegnet_tf import experiments
from kegnet_tf.configs import base, letter


def test_preset_without_a_network_is_refused():
    with pytest.raises(ValueError, match="`network` must be named"):
        experiments.training_steps(base.get_config(), 1, 1)


@pytest.mark.slow
def test_each_step_is_timed_beside_its_reference():
    config = letter.get_config("quick")
    config.update(num_generators=2, batch_size=4)
    config.extraction.update(batch_size=4, jit_compile=False)
    rows = experiments.training_steps(config, 1, 1)
    assert [row["name"] for row in rows] == [
        "generator step",
        "generator step, XLA",
        "diversity loss",
        "generators together",
        "student step, fresh data",
        "student step, student",
    ]
    assert all(row["milliseconds"] > 0 < row["reference_milliseconds"] for row in rows)
    assert {row["batch_size"] for row in rows} == {4}
