import numpy as np
from numpy.testing import assert_allclose

from kegnet_tf.distillation import losses


def test_distillation_loss_is_least_and_equals_the_entropy_at_the_teacher():
    logits = np.array([[2.0, 0.0, -1.0]])
    p = np.exp(logits) / np.exp(logits).sum()
    assert_allclose(losses.distillation_loss(p, logits), -np.sum(p * np.log(p)), rtol=1e-6)
    assert losses.distillation_loss(p, logits + [[0.5, 0.0, 0.0]]) > losses.distillation_loss(
        p, logits
    )


def test_temperature_softens_both_models():
    logits = np.array([[4.0, 0.0]])
    p = np.exp(logits) / np.exp(logits).sum()
    soft = np.exp(logits / 2) / np.exp(logits / 2).sum()
    entropy = -np.sum(soft * np.log(soft))
    assert_allclose(losses.distillation_loss(p, logits, temperature=2.0), 4 * entropy, rtol=1e-6)


def test_logit_loss_ignores_a_constant():
    logits = np.array([[3.0, -1.0, 0.0], [0.0, 5.0, 1.0]])
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert_allclose(losses.logit_loss(p, logits + 7.0), 0.0, atol=1e-12)
    # One logit off by 3 of three: centred errors 2, -1, -1.
    assert_allclose(losses.logit_loss(p[:1], logits[:1] + [[3.0, 0, 0]]), 6 / 3, rtol=1e-6)
