import keras
import pytest

from kegnet_tf.distillation import Choice, pilots

AUTO = Choice("auto", "auto")


def images(*layers):
    return keras.Sequential(
        [keras.Input((2, 2, 1)), *layers, keras.layers.Flatten(), keras.layers.Dense(3)]
    )


def choose(student, agreements, asked=AUTO):
    """(what pilots choose, what they tried), where they agree as given, one after another."""
    left, tried = iter(agreements), []

    def agreement(choice):
        tried.append((choice.loss, choice.batch_norm))
        return next(left)

    return pilots.choose(student, asked, agreement), tried


@pytest.mark.parametrize(
    ("agreements", "chosen"),
    [
        ((0.8, 0.7, 0.89), Choice("logits", "training")),
        ((0.7, 0.8, 0.91), Choice("cross_entropy", "inference")),
        ((0.8, 0.8, 0.2), Choice("logits", "inference")),
    ],
)
def test_mode_is_the_better_one_and_cross_entropy_must_lead_by_a_tenth(agreements, chosen):
    found, tried = choose(images(keras.layers.BatchNormalization()), agreements)
    assert found == chosen
    last = ("cross_entropy", chosen.batch_norm)
    assert tried == [("logits", "training"), ("logits", "inference"), last]


def test_batch_norm_in_a_nested_model_counts():
    nested = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.BatchNormalization()])
    _, tried = choose(images(nested), (0.8, 0.7, 0.7))
    assert len(tried) == 3


def test_what_is_given_is_not_tried():
    student = images(keras.layers.BatchNormalization())
    asked = Choice("auto", "training")
    assert choose(student, (0.5, 0.7), asked)[1] == [
        ("logits", "training"),
        ("cross_entropy", "training"),
    ]
    assert choose(student, (), Choice("logits", "inference")) == (Choice("logits", "inference"), [])


def test_table_without_batch_norm_needs_no_pilot():
    table = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    assert choose(table, ()) == (Choice("cross_entropy", "inference"), [])


def test_images_without_batch_norm_learn_in_inference_mode():
    assert choose(images(), (0.5, 0.5))[0] == Choice("logits", "inference")


def test_features_are_matched_by_images_with_batch_norm_alone():
    asked = Choice("logits", "training", "auto")
    table = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization()])
    for student, features in (
        (images(keras.layers.BatchNormalization()), "on"),
        (images(), "off"),
        (table, "off"),
    ):
        assert choose(student, (), asked)[0] == Choice("logits", "training", features)


def test_inference_mode_of_batch_norm_that_was_chosen_learns_more_gently():
    norms, plain = images(keras.layers.BatchNormalization()), images()
    inference, training = Choice("logits", "inference"), Choice("logits", "training")
    assert pilots.pace(norms, AUTO, inference) == pilots.GENTLE
    assert pilots.pace(norms, AUTO, training) == 1.0
    assert pilots.pace(norms, inference, inference) == 1.0
    assert pilots.pace(plain, AUTO, inference) == 1.0
