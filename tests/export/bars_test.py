import numpy as np
import pytest
from numpy.testing import assert_allclose

from kegnet_tf import export
from kegnet_tf.export import bars


def test_flip_counts_for_as_much_as_the_model_was_surer_of_its_own_answer():
    logits = np.log(np.float32([[0.5, 0.49, 0.01], [0.9, 0.1, 1e-9], [0.2, 0.3, 0.5]]))
    assert_allclose(bars.loss(logits, np.array([0, 0, 2])), 0, atol=1e-7)
    assert_allclose(bars.loss(logits, np.array([1, 0, 2])), 0.01 / 3, rtol=1e-4)
    assert_allclose(bars.loss(logits, np.array([1, 1, 2])), 0.81 / 3, rtol=1e-4)


@pytest.mark.parametrize(("form", "bar"), export.BARS.items())
def test_file_is_flagged_above_its_bar_alone(form, bar):
    assert bars.note(bar, form, real=True) is None
    assert "real data" in bars.note(bar + 0.001, form, real=True)
    assert "synthetic data" in bars.note(bar + 0.001, form, real=False)
