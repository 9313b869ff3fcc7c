import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from kegnet_tf import distillation
from kegnet_tf.distillation import Choice, DistillationSettings, pilots
from kegnet_tf.extraction import pacing
from kegnet_tf.synthesis import Source


class Remember(keras.callbacks.Callback):
    """Keeps the student's weights of each epoch."""

    def __init__(self, student):
        super().__init__()
        self.student = student
        self.weights = []

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append(self.student.get_weights())


def classifier(seed):
    """Classifier of vectors of 4 features into 3 classes."""
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])


def with_batch_norm(seed):
    keras.utils.set_random_seed(seed)
    norm = keras.layers.BatchNormalization(momentum=0.5)
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(6), norm, keras.layers.Dense(3)])


def distil(student, teacher=None, p_of=lambda p: p, callbacks=(), **settings):
    """Distils on Gaussian data; `p_of` may change what the stream claims of the teacher."""
    source = Source(teacher or classifier(0), "gaussian")
    return distillation.distil(
        student,
        source.stream(8, seed=0).map(lambda x, p: (x, p_of(p))),
        source.sample(64, seed=1),
        DistillationSettings(**{"epochs": 4, "steps_per_epoch": 5, **settings}),
        callbacks=callbacks,
        verbose=0,
    ).history.history


def assert_same_weights(weights, expected):
    for one, other in zip(weights, expected, strict=True):
        assert_array_equal(one, other)


@pytest.mark.slow
def test_student_that_starts_as_the_teachers_copy_stays_in_full_agreement():
    history = distil(classifier(0), learning_rate=1e-5)
    assert history["agreement"] == history["val_agreement"] == [1.0] * 4


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["logits", "cross_entropy"])
def test_random_student_comes_closer_to_the_teacher(loss):
    history = distil(classifier(5), loss=loss, learning_rate=0.05, epochs=8)
    assert history["val_loss"][-1] < history["val_loss"][0]
    assert np.mean(history["loss"][-2:]) < np.mean(history["loss"][:2])
    assert history["val_agreement"][-1] > history["val_agreement"][0]


@pytest.mark.slow
def test_student_in_training_mode_gathers_statistics_and_leaves_its_teacher_bit_identical():
    teacher, student = with_batch_norm(0), with_batch_norm(5)
    before = teacher.get_weights(), student.get_weights()
    history = distil(student, teacher, learning_rate=0.05, batch_norm="training")
    assert history["val_loss"][-1] < history["val_loss"][0]
    assert not any(map(np.array_equal, student.get_weights(), before[1]))
    assert_same_weights(teacher.get_weights(), before[0])


@pytest.mark.slow
def test_student_in_inference_mode_keeps_its_statistics_and_learns_the_rest():
    student = with_batch_norm(5)
    norm = student.layers[1]
    before = norm.get_weights()
    distil(student, batch_norm="inference", epochs=1)
    same = [*map(np.array_equal, before, norm.get_weights())]
    assert same == [False, False, True, True]  # gamma, beta, mean, variance


@pytest.mark.slow
def test_dropout_is_off_while_a_student_learns_and_comes_back():
    def student(rate):
        made = with_batch_norm(5)
        made.add(keras.Sequential([keras.Input((3,)), keras.layers.Dropout(rate)]))
        return made

    with_dropout, without = student(0.5), student(0.0)
    for each in (with_dropout, without):
        distil(each, batch_norm="training", epochs=1)
    assert_same_weights(with_dropout.get_weights(), without.get_weights())
    assert with_dropout.layers[-1].layers[-1].rate == 0.5


def image_student(seed):
    keras.utils.set_random_seed(seed)
    norm = keras.layers.BatchNormalization()
    flat = keras.layers.Flatten()
    return keras.Sequential([keras.Input((2, 2, 1)), norm, flat, keras.layers.Dense(3)])


@pytest.mark.slow
def test_pilots_leave_no_trace_but_their_choice(monkeypatch):
    monkeypatch.setattr(pilots, "STEPS", 2)
    source, settled, plain = (
        Source(image_student(0), "gaussian"),
        image_student(5),
        image_student(5),
    )
    steps = {"epochs": 1, "steps_per_epoch": 2, "loss": "logits"}

    def train(student, **choice):
        settings = DistillationSettings(**steps, **choice)
        data = source.stream(8, seed=0), source.sample(64, seed=1)
        return distillation.distil(student, *data, settings, verbose=0).choice

    choice = train(settled, batch_norm="auto")
    pace = pilots.pace(plain, Choice("logits", "auto"), choice)
    rate = pace * DistillationSettings().learning_rate
    assert train(plain, batch_norm=choice.batch_norm, learning_rate=rate) == choice
    assert_same_weights(settled.get_weights(), plain.get_weights())


@pytest.mark.parametrize("selection", ["agreement", pytest.param("last", marks=pytest.mark.slow)])
def test_selection_keeps_the_student_of_its_epoch(selection):
    # A copy of the teacher that is then taught the classes in another order: the first epoch
    # agrees best, the last one least.
    student = classifier(0)
    remember = Remember(student)
    history = distil(
        student,
        p_of=lambda p: tf.roll(p, 1, axis=1),
        selection=selection,
        learning_rate=0.05,
        callbacks=[remember],
    )
    agreements = history["val_agreement"]
    assert np.argmax(agreements) == 0
    assert agreements[0] > agreements[-1]
    expected = remember.weights[0 if selection == "agreement" else -1]
    assert_same_weights(student.get_weights(), expected)


@pytest.mark.slow
def test_student_that_training_ruins_stays_as_it_began_where_the_better_one_counts():
    student = classifier(0)
    start = student.get_weights()
    wrong = {"p_of": lambda p: tf.roll(p, 1, axis=1), "learning_rate": 0.05}
    distil(student, selection="better", **wrong)
    assert_same_weights(student.get_weights(), start)
    history = distil(student, selection="last", **wrong)
    assert history["val_agreement"][-1] < 1.0
    trained = student.get_weights()
    better = distil(student, selection="better", learning_rate=0.01)
    assert better["val_agreement"][-1] > history["val_agreement"][-1]
    assert not all(map(np.array_equal, student.get_weights(), trained))


@pytest.mark.slow
@pytest.mark.parametrize("selection", ["last", "agreement"])
def test_agreement_of_the_history_is_that_of_the_student_on_the_held_out_data(selection):
    teacher, student = classifier(0), classifier(5)
    history = distil(student, teacher, selection=selection, learning_rate=0.05)
    x, p = Source(teacher, "gaussian").sample(64, seed=1)
    kept = {"last": history["val_agreement"][-1], "agreement": max(history["val_agreement"])}
    agreement = distillation.agreement(student.predict_on_batch, x, p)
    assert_allclose(agreement, kept[selection], rtol=1e-6)


@pytest.mark.slow
def test_held_out_data_of_more_than_one_batch_count_evenly():
    teacher, student = classifier(0), classifier(5)
    source = Source(teacher, "gaussian")
    held_out = source.sample(1100, seed=1)
    settings = DistillationSettings(epochs=1, steps_per_epoch=2)
    given = source.stream(8, seed=0), held_out, settings
    history = distillation.distil(student, *given, verbose=0).history.history
    agreement = distillation.agreement(student.predict_on_batch, *held_out)
    assert_allclose(history["val_agreement"], [agreement], rtol=1e-6)


@pytest.mark.slow
def test_callers_callbacks_stay_as_they_were():
    callbacks = []
    distil(classifier(5), epochs=1, selection="agreement", callbacks=callbacks)
    assert callbacks == []


@pytest.mark.slow  # the pilots' test holds it as well
def test_same_data_give_the_same_weights():
    one, same = classifier(5), classifier(5)
    for student in (one, same):
        distil(student, epochs=1)
    assert_same_weights(one.get_weights(), same.get_weights())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, distillation.distillation_loss),
        (
            {"temperature": 2.0},
            lambda p, logits: distillation.distillation_loss(p, logits, 2.0),
        ),
        ({"choice": Choice("logits")}, distillation.logit_loss),
    ],
)
def test_loss_is_the_asked_one_in_training_and_in_evaluation(arguments, expected):
    student = classifier(5)
    distiller = distillation.Distiller(student)
    distiller.compile(keras.optimizers.SGD(1e-3), **arguments)
    x = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)
    p = np.array([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1]], np.float32)
    value = expected(p, student(x))
    for step in (distiller.test_step, distiller.train_step):
        distiller.reset_metrics()
        assert_allclose(step((x, p))["loss"], value, rtol=1e-6)
    assert expected(p, student(x)) < value  # the training step went down


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"loss": "hinge"},
            "`loss` must be one of logits, cross_entropy, auto. Received: 'hinge'.",
        ),
        (
            {"selection": "best"},
            "`selection` must be one of last, agreement, better. Received: 'best'.",
        ),
        ({"temperature": 0.0}, "`temperature` must be above 0. Received: 0.0."),
        ({"temperature": float("nan")}, "`temperature` must be a finite number. Received: nan."),
        ({"learning_rate": 0.0}, "`learning_rate` must be above 0. Received: 0.0."),
        ({"epochs": 0}, "`epochs` must be 1 or more. Received: 0."),
        ({"batch_norm": "frozen"}, "`batch_norm` must be one of training, .*'frozen'"),
        ({"steps_per_epoch": -1}, "`steps_per_epoch` must be 1 or more. Received: -1."),
    ],
)
def test_setting_out_of_range_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        DistillationSettings(**arguments)


def test_single_batch_is_a_step_of_training():
    teacher, student = classifier(0), classifier(5)
    x, p = Source(teacher, "gaussian").sample(8, seed=1)
    distiller = distillation.Distiller(student)
    distiller.compile(keras.optimizers.Adam(0.05))
    before = distiller.test_on_batch(x, p, return_dict=True)["loss"]
    distiller.train_on_batch(x, p)
    distiller.reset_metrics()
    assert distiller.test_on_batch(x, p, return_dict=True)["loss"] < before


class Stop(keras.callbacks.Callback):
    """Interrupts a training that begins with an epoch, after some executions; counts them."""

    def __init__(self, executions=0):
        super().__init__()
        self.executions, self.told = executions, []

    def on_train_begin(self, logs=None):
        self.model.listeners.append(self.tell)

    def tell(self, done, logs):
        self.told.append(done)
        if len(self.told) == self.executions:
            raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.parametrize("executions", [2, 4])
def test_interrupted_student_goes_on_where_it_was_and_ends_the_same(
    executions, tmp_path, monkeypatch
):
    monkeypatch.setattr(pacing, "SECONDS", 0.0)  # every step is an execution
    asked, source = [], Source(classifier(0), "gaussian")
    held_out = source.sample(8, seed=1)

    def data(start):
        asked.append(start)
        return source.stream(8, seed=0, start=start)

    def distilled(backup, stop):
        student = with_batch_norm(5)
        settings = DistillationSettings(
            batch_norm="training", epochs=2, steps_per_epoch=3, selection="agreement"
        )
        given = {"backup": backup, "callbacks": [stop], "verbose": 0}
        distillation.distil(student, data, held_out, settings, **given)
        return student.get_weights()

    expected, backup = distilled(None, Stop()), tmp_path / "a.npz"
    with pytest.raises(KeyboardInterrupt):
        distilled(backup, Stop(executions))
    stop = Stop()
    for one, other in zip(distilled(backup, stop), expected, strict=True):
        assert_array_equal(one, other)
    assert asked == [0, 0, executions]  # each stream is made once, a fixed set drawn with it
    assert stop.told == [1, 2, 3, 1, 2, 3][executions:]
    distillation.remove_backup(backup)
    assert [*tmp_path.iterdir()] == []


def test_what_a_pilot_gave_is_kept_and_not_asked_again(tmp_path):
    asked, first, second = [], Choice("logits"), Choice("cross_entropy")

    def agreement(choice):
        if choice == second and len(asked) == 1:
            asked.append("interrupted")
            raise KeyboardInterrupt
        asked.append(choice.loss)
        return 0.1 + 0.2 * len(asked)

    path = tmp_path / "a.npz"
    with pytest.raises(KeyboardInterrupt):
        [pilots.Outcomes(path).kept(agreement)(choice) for choice in (first, second)]
    known = pilots.Outcomes(path).kept(agreement)
    assert [known(first), known(second)] == [0.1 + 0.2 * 1, 0.1 + 0.2 * 3]
    assert asked == ["logits", "interrupted", "cross_entropy"]
    distillation.remove_backup(path)
    assert [*tmp_path.iterdir()] == []
