import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose
from smallest import tiny_decoder, tiny_generator, tiny_teacher

from kegnet_tf.extraction import ExtractionSettings, kegnet, latents, losses

LOSSES = {"loss", "classifier_loss", "decoder_loss"}
BATCH = latents.sample(0, 0, 4, 3, 2, "onehot")


def compiled(teacher, **settings):
    trainer = kegnet.KegNet(teacher, tiny_generator(), tiny_decoder())
    trainer.compile("adam", ExtractionSettings(**settings))
    return trainer


def test_loss_is_the_weighted_sum_of_the_equations(teacher):
    trainer = compiled(teacher, alpha=2.0, beta=3.0, distance="l2")
    y, z = BATCH
    terms, logits = trainer.compute_losses(y, z, training=False)
    x = trainer.generator((y, z), training=False)
    classifier = losses.classifier_loss(y, teacher(x))
    decoded = losses.decoder_loss(z, trainer.decoder(x))
    diversity = losses.diversity_loss(z, x, "l2")
    assert_allclose(logits, teacher(x))
    assert_allclose(terms["classifier_loss"], classifier, rtol=1e-6)
    assert_allclose(terms["decoder_loss"], decoded, rtol=1e-6)
    assert_allclose(terms["diversity_loss"], diversity, rtol=1e-6)
    assert_allclose(terms["loss"], classifier + 2 * decoded + 3 * diversity, rtol=1e-6)


def test_statistics_loss_is_that_of_what_comes_to_the_norms(teacher):
    trainer = compiled(teacher, alpha=0.0, gamma=5.0)
    y, z = BATCH
    terms, logits = trainer.compute_losses(y, z, training=False)
    x, norm = trainer.generator((y, z), training=False), teacher.get_layer("norm")
    moments = [norm.moving_mean.numpy()], [norm.moving_variance.numpy() + norm.epsilon]
    expected = losses.statistics_loss([teacher.get_layer("conv")(x)], *moments)
    assert_allclose(logits, teacher(x))
    assert_allclose(terms["statistics_loss"], expected, rtol=1e-5)
    assert_allclose(terms["loss"], terms["classifier_loss"] + 5 * expected, rtol=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 1.0])
def test_statistics_loss_is_absent_at_gamma_0_and_where_there_is_no_norm(gamma):
    teacher = tiny_teacher()
    if gamma:
        teacher = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
        teacher.add(keras.layers.Dense(3))
    trainer = compiled(teacher, gamma=gamma)
    terms, _ = trainer.compute_losses(*BATCH, training=True)
    assert set(terms) == LOSSES
    assert "statistics_loss" not in [metric.name for metric in trainer.metrics]


def dropping():
    """Classifier of 8x8 images with a dropout of .5 before its only dense layer."""
    keras.utils.set_random_seed(0)
    hidden = [keras.layers.Flatten(), keras.layers.Dropout(0.5)]
    return keras.Sequential([keras.Input((8, 8, 1)), *hidden, keras.layers.Dense(3)])


@pytest.mark.slow
def test_teachers_dropout_is_on_while_the_generator_learns_and_off_where_it_is_measured():
    teacher, (y, z) = dropping(), BATCH
    trainer = compiled(teacher)
    (scale,) = trainer.draw_scales(4, seed=0)
    x = trainer.generator((y, z), training=True)
    _, logits = trainer.compute_losses(y, z, training=True, scales=[scale])
    expected = teacher.layers[-1](keras.ops.reshape(x, (4, 64)) * scale)
    assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)
    logs = trainer.test_on_batch(y, z, return_dict=True)
    measured = losses.classifier_loss(y, teacher(trainer.generator((y, z), training=False)))
    assert_allclose(logs["classifier_loss"], measured, rtol=1e-5)


def test_dropout_at_rate_0_or_of_a_teacher_without_any_is_not_drawn(teacher):
    assert compiled(dropping(), dropout=(0.0,)).draw_scales(4, seed=0) == []
    assert compiled(teacher).draw_scales(4, seed=0) == []
    assert len(compiled(teacher, dropout=(0.1,)).draw_scales(4, seed=0)) == 2


def test_diversity_loss_is_not_computed_at_beta_0(teacher, monkeypatch):
    trainer = compiled(teacher, beta=0.0)
    monkeypatch.setattr(losses, "diversity_loss", None)
    terms, _ = trainer.compute_losses(*BATCH, training=True)
    assert set(terms) == LOSSES
    assert "diversity_loss" not in [metric.name for metric in trainer.metrics]


@pytest.mark.slow
def test_jitter_moves_what_the_teacher_sees_in_training_alone(teacher):
    trainer = compiled(teacher, alpha=0.0, jitter=2)  # an eighth of a side is 1
    # In training by the batch's statistics, so that it is the same again.
    x = trainer.generator(BATCH, training=True)
    views = [np.roll(x, (i, j), (1, 2)) for i in range(-1, 2) for j in range(-1, 2)]
    possible = np.stack([teacher(view) for view in views])
    seen = []
    for step in range(20):
        trainer.optimizer.iterations.assign(step)
        _, logits = trainer.compute_losses(*BATCH, training=True)
        seen.append(np.argmin(np.abs(possible - logits).max((1, 2))))
        assert_allclose(logits, possible[seen[-1]], atol=1e-5)
    assert len(set(seen)) > 5
    _, logits = trainer.compute_losses(*BATCH, training=False)
    assert_allclose(logits, teacher(trainer.generator(BATCH, training=False)), atol=1e-6)


def test_accuracy_and_confidence_are_those_of_the_teachers_answers(teacher):
    always = np.zeros((36, 3)), np.log([0.2, 0.7, 0.1])
    teacher.get_layer("logits").set_weights(always)  # it answers 1, whatever the data
    trainer = compiled(teacher, alpha=0.0)
    _, z = BATCH
    answers = trainer.test_step((np.eye(3, dtype=np.float32)[[1, 0, 1, 2]], z))
    assert answers["accuracy"] == 0.5
    assert_allclose(answers["confidence"], 0.7, rtol=1e-5)
    assert_allclose(answers["class_balance"], 0.0, atol=1e-6)
    expected = -(2 * np.log(0.7) + np.log(0.2) + np.log(0.1)) / 4
    assert_allclose(answers["classifier_loss"], expected, rtol=1e-5)
    assert_allclose(answers["loss"], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([0, 1, 2], 1.0),
        ([1, 1, 1, 1], 0.0),
        ([0, 0, 2, 2], np.log(2) / np.log(3)),
        ([0, 0, 0, 1], -(0.75 * np.log(0.75) + 0.25 * np.log(0.25)) / np.log(3)),
    ],
)
def test_class_balance_is_the_entropy_of_the_answers_over_that_of_equal_ones(answers, expected):
    balance = kegnet.ClassBalance(3)
    balance.update_state(np.eye(3)[answers])
    assert_allclose(balance.result(), expected, rtol=1e-6, atol=1e-6)


def test_class_balance_gathers_batches_until_it_is_reset():
    balance = kegnet.ClassBalance(3)
    for answer in range(3):
        balance.update_state(np.eye(3)[[answer, answer]])
    assert_allclose(balance.result(), 1.0, rtol=1e-6)
    balance.reset_state()
    balance.update_state(np.eye(3)[[2]])
    assert_allclose(balance.result(), 0.0, atol=1e-6)


def test_trainer_refuses_settings_outside_their_range(teacher):
    with pytest.raises(ValueError, match="`alpha` must be 0 or more. Received: -1.0."):
        compiled(teacher, alpha=-1.0)
