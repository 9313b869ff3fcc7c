import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from smallest import tiny_decoder, tiny_generator, tiny_teacher

from kegnet_tf import extraction, latents, losses

LOSSES = {"loss", "classifier_loss", "decoder_loss"}
ANSWERS = {"accuracy", "confidence", "class_balance"}


class InterruptAt(keras.callbacks.Callback):
    """Raises at the start of an epoch, as a kill after the one before."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise InterruptedError(epoch)


def extract(teacher, epochs=3, seed=0, **kwargs):
    """Trains fresh networks, as a new process would; gives their weights and the history."""
    generator, decoder = tiny_generator(), tiny_decoder()
    history = extraction.extract(
        teacher,
        generator,
        decoder,
        seed=seed,
        epochs=epochs,
        batch_size=4,
        steps_per_epoch=2,
        verbose=0,
        **kwargs,
    ).history
    return generator.get_weights() + decoder.get_weights(), history


@pytest.fixture(scope="module")
def uninterrupted():
    """(weights, history) of four epochs."""
    return extract(tiny_teacher(), epochs=4)


def assert_same_weights(weights, expected):
    for one, other in zip(weights, expected, strict=True):
        assert_array_equal(one, other)


def settled(teacher, p):
    """The teacher, made to answer with `p` whatever the data."""
    teacher.get_layer("logits").set_weights([np.zeros((36, 3)), np.log(p)])
    return teacher


def test_extraction_leaves_the_teacher_bit_identical_and_trains_both_networks(teacher):
    before = teacher.get_weights()
    initial = tiny_generator().get_weights() + tiny_decoder().get_weights()
    trained, _ = extract(teacher, epochs=1, beta=1.0)
    assert_same_weights(teacher.get_weights(), before)
    assert teacher.trainable
    assert not any(map(np.array_equal, trained, initial))


def test_history_names_the_losses_and_what_the_teacher_says(teacher):
    _, history = extract(teacher, epochs=2, beta=1.0)
    assert set(history) == LOSSES | ANSWERS | {"diversity_loss"}
    assert all(len(values) == 2 for values in history.values())


def test_diversity_loss_is_absent_from_the_history_at_beta_0(uninterrupted):
    _, history = uninterrupted
    assert set(history) == LOSSES | ANSWERS


def test_training_teaches_the_generator_to_draw_what_it_is_asked_for(teacher):
    _, history = extract(teacher, epochs=50, learning_rate=1e-2, alpha=0.0)
    first, last = (
        np.median(history["classifier_loss"][part]) for part in (slice(10), slice(-10, None))
    )
    assert last < 0.5 * first


def test_loss_is_the_weighted_sum_of_the_equations(teacher, generator, decoder):
    kegnet = extraction.KegNet(teacher, generator, decoder)
    kegnet.compile("adam", alpha=2.0, beta=3.0, distance="l2")
    y, z = latents.sample(0, 0, 4, 3, 2, "onehot")
    terms, logits = kegnet.compute_losses(y, z, training=False)
    x = generator((y, z), training=False)
    classifier = losses.classifier_loss(y, teacher(x))
    decoded = losses.decoder_loss(z, decoder(x))
    diversity = losses.diversity_loss(z, x, "l2")
    assert_allclose(logits, teacher(x))
    assert_allclose(terms["classifier_loss"], classifier, rtol=1e-6)
    assert_allclose(terms["decoder_loss"], decoded, rtol=1e-6)
    assert_allclose(terms["diversity_loss"], diversity, rtol=1e-6)
    assert_allclose(terms["loss"], classifier + 2 * decoded + 3 * diversity, rtol=1e-6)


def test_statistics_loss_is_that_of_what_comes_to_the_norms(teacher, generator, decoder):
    kegnet = extraction.KegNet(teacher, generator, decoder)
    kegnet.compile("adam", alpha=0.0, gamma=5.0)
    y, z = latents.sample(0, 0, 4, 3, 2, "onehot")
    terms, logits = kegnet.compute_losses(y, z, training=False)
    x, norm = generator((y, z), training=False), teacher.get_layer("norm")
    moments = [norm.moving_mean.numpy()], [norm.moving_variance.numpy() + norm.epsilon]
    expected = losses.statistics_loss([teacher.get_layer("conv")(x)], *moments)
    assert_allclose(logits, teacher(x))
    assert_allclose(terms["statistics_loss"], expected, rtol=1e-5)
    assert_allclose(terms["loss"], terms["classifier_loss"] + 5 * expected, rtol=1e-5)


def test_training_on_the_statistics_loss_brings_the_statistics_closer(teacher):
    before = teacher.get_weights()
    _, history = extract(teacher, epochs=40, learning_rate=1e-2, gamma=100.0)
    assert history["statistics_loss"][-1] < 0.7 * history["statistics_loss"][0]
    assert_same_weights(teacher.get_weights(), before)


@pytest.mark.parametrize("gamma", [0.0, 1.0])
def test_statistics_loss_is_absent_at_gamma_0_and_where_there_is_no_norm(gamma, generator, decoder):
    teacher = tiny_teacher()
    if gamma:
        teacher = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
        teacher.add(keras.layers.Dense(3))
    kegnet = extraction.KegNet(teacher, generator, decoder)
    kegnet.compile("adam", gamma=gamma)
    terms, _ = kegnet.compute_losses(*latents.sample(0, 0, 4, 3, 2, "onehot"), training=True)
    assert set(terms) == LOSSES
    assert "statistics_loss" not in [metric.name for metric in kegnet.metrics]


def test_jitter_moves_what_the_teacher_sees_in_training_alone(teacher, generator, decoder):
    kegnet = extraction.KegNet(teacher, generator, decoder)
    kegnet.compile("adam", alpha=0.0, jitter=2)  # an eighth of a side is 1
    y, z = latents.sample(0, 0, 4, 3, 2, "onehot")
    x = generator((y, z), training=True)  # by the batch's statistics, so that it is the same again
    views = [np.roll(x, (i, j), (1, 2)) for i in range(-1, 2) for j in range(-1, 2)]
    possible = np.stack([teacher(view) for view in views])
    seen = []
    for step in range(20):
        kegnet.optimizer.iterations.assign(step)
        _, logits = kegnet.compute_losses(y, z, training=True)
        seen.append(np.argmin(np.abs(possible - logits).max((1, 2))))
        assert_allclose(logits, possible[seen[-1]], atol=1e-5)
    assert len(set(seen)) > 5
    _, logits = kegnet.compute_losses(y, z, training=False)
    assert_allclose(logits, teacher(generator((y, z), training=False)), atol=1e-6)


def test_diversity_loss_is_not_computed_at_beta_0(teacher, generator, decoder, monkeypatch):
    kegnet = extraction.KegNet(teacher, generator, decoder)
    kegnet.compile("adam", beta=0.0)
    monkeypatch.setattr(extraction.losses, "diversity_loss", None)
    terms, _ = kegnet.compute_losses(*latents.sample(0, 0, 4, 3, 2, "onehot"), training=True)
    assert set(terms) == LOSSES


def test_accuracy_and_confidence_are_those_of_the_teachers_answers(teacher, generator, decoder):
    kegnet = extraction.KegNet(settled(teacher, [0.2, 0.7, 0.1]), generator, decoder)
    kegnet.compile("adam", alpha=0.0)
    _, z = latents.sample(0, 0, 4, 3, 2, "onehot")
    answers = kegnet.test_step((np.eye(3, dtype=np.float32)[[1, 0, 1, 2]], z))
    assert answers["accuracy"] == 0.5  # it always answers 1
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
    balance = extraction.ClassBalance(3)
    balance.update_state(np.eye(3)[answers])
    assert_allclose(balance.result(), expected, rtol=1e-6, atol=1e-6)


def test_class_balance_gathers_batches_until_it_is_reset():
    balance = extraction.ClassBalance(3)
    for answer in range(3):
        balance.update_state(np.eye(3)[[answer, answer]])
    assert_allclose(balance.result(), 1.0, rtol=1e-6)
    balance.reset_state()
    balance.update_state(np.eye(3)[[2]])
    assert_allclose(balance.result(), 0.0, atol=1e-6)


def test_same_seed_gives_the_same_weights_and_another_seed_others(teacher, uninterrupted):
    weights, _ = uninterrupted
    assert_same_weights(extract(teacher, epochs=4)[0], weights)
    assert not any(map(np.array_equal, extract(teacher, epochs=4, seed=1)[0], weights))


def test_interrupted_training_that_is_called_again_ends_with_the_uninterrupted_weights(
    teacher, uninterrupted, tmp_path
):
    backup = tmp_path / "0.weights.h5"
    with pytest.raises(InterruptedError):
        extract(teacher, epochs=4, backup=backup, callbacks=[InterruptAt(2)])
    torn = tmp_path / "partial-0.weights.h5"  # killed while it wrote the next one
    torn.write_bytes(backup.read_bytes()[:1000])
    weights, history = extract(teacher, epochs=4, backup=backup)
    assert len(history["loss"]) == 2  # it did go on, not begin anew
    assert_same_weights(weights, uninterrupted[0])


def test_interruption_after_the_last_step_repeats_the_last_epoch(teacher, uninterrupted, tmp_path):
    backup = tmp_path / "0.weights.h5"
    extract(teacher, epochs=4, backup=backup)
    weights, history = extract(teacher, epochs=4, backup=backup)
    assert len(history["loss"]) == 1
    assert_same_weights(weights, uninterrupted[0])


class RuinAt(keras.callbacks.Callback):
    """Makes a weight of the generator NaN at the end of an epoch, as an exploded step does."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations == 2 * (self.epoch + 1):
            weight = self.model.generator.trainable_variables[0]
            weight.assign(np.full(weight.shape, np.nan))


def test_training_ends_with_the_last_sound_epoch_where_a_weight_is_not_finite(
    teacher, uninterrupted, tmp_path
):
    backup = tmp_path / "0.weights.h5"
    weights, history = extract(teacher, epochs=8, callbacks=[RuinAt(4)], backup=backup)
    assert len(history["loss"]) == 5  # the ruined epoch is the last
    assert all(np.isfinite(values).all() for values in weights)
    assert_same_weights(weights, uninterrupted[0])


def test_training_that_explodes_at_once_keeps_the_initial_state(teacher):
    weights, history = extract(teacher, learning_rate=1e38, epochs=9)
    assert len(history["loss"]) < 9
    assert all(np.isfinite(values).all() for values in weights)


def test_backup_is_never_unsound(teacher, tmp_path):
    backup = tmp_path / "0.weights.h5"
    extract(teacher, epochs=8, callbacks=[RuinAt(4)], backup=backup)
    weights, history = extract(teacher, epochs=6, backup=backup)
    assert len(history["loss"]) == 2  # from the fourth epoch on
    assert all(np.isfinite(values).all() for values in weights)


@pytest.mark.slow  # `ensemble_test` has the same law for less
def test_step_compiled_by_xla_trains_as_one_that_is_not(teacher):
    plain, history = extract(teacher, epochs=1, beta=1.0, learning_rate=1e-4)
    compiled, other = extract(teacher, epochs=1, beta=1.0, learning_rate=1e-4, jit_compile=True)
    for name, values in history.items():
        assert_allclose(values, other[name], rtol=1e-4)
    for one, other in zip(plain, compiled, strict=True):
        assert_allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("name", ["alpha", "beta", "gamma", "jitter"])
@pytest.mark.parametrize("weight", [-1.0, float("nan")])
def test_negative_weight_of_a_loss_is_refused(teacher, name, weight):
    with pytest.raises(ValueError, match=f"`{name}` must be 0 or more. Received: {weight}."):
        extract(teacher, **{name: weight})


@pytest.mark.parametrize("name", ["learning_rate", "batch_size", "epochs", "steps_per_epoch"])
@pytest.mark.parametrize("value", [0, -1])
def test_number_that_is_not_above_0_is_refused(teacher, generator, decoder, name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be above 0. Received: {value}."):
        extraction.extract(teacher, generator, decoder, seed=0, verbose=0, **{name: value})


def test_unknown_distance_is_refused(teacher):
    with pytest.raises(ValueError, match="`distance` must be 'l1' or 'l2'. Received: 'cosine'"):
        extract(teacher, beta=1.0, distance="cosine")
