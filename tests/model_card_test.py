import pytest

from kegnet_tf import model_card
from kegnet_tf.configs import mnist

CONTENT = {
    "dataset": "mnist",
    "versions": {"kegnet-tf": "0.1.0"},
    "teacher": {"parameters": 61706, "accuracy": 0.9901},
    "generators": [{}, {}],
}
STUDENT = {
    "name": "student2",
    "arm": "kegnet",
    "seed": 3,
    "parameters": 15000,
    "compression_ratio": 4.1137,
    "agreement": 0.95,
    "accuracy": 0.9307,
    "balanced_accuracy": 0.93,
}
ABOUT = {
    "teacher_digest": "abc123",
    "calibration": "kegnet",
    "calibration_size": 500,
    "headroom": 2.0,
    "input_shape": [32, 32, 1],
    "num_classes": 10,
}
EXPORTS = [{"format": "litert_int8", "batch": 1, "path": "a.tflite", "bytes": 1234, "note": None}]


def card(
    student=STUDENT,
    about=ABOUT,
    layers=(),
    raw=((0.1307,), (0.3081,)),
    quantisation=None,
    exports=EXPORTS,
):
    """Card of a student of MNIST, in one line."""
    config = mnist.get_config()
    config.distillation.update(epochs=2, steps_per_epoch=600)
    arguments = exports, layers, raw, quantisation or {}
    return " ".join(model_card.markdown(config, CONTENT, student, about, *arguments).split())


def test_card_tells_origin_compression_and_measures():
    text = card()
    for part in (
        "# student2, a compressed classifier of mnist",
        "distilled without data: 1,200 steps on what 2 generators",
        "seed 3",
        "SHA-256 digest `abc123`",
        "calibrated on 500 examples, drawn by the generators, times 2.",
        "15,000 trainable parameters where the teacher has 61,706: a ratio of 4.11.",
        "synthetic data: 95.00%",
        "real test data: 93.07% (balanced over classes 93.00%); teacher 99.01%",
        "| litert_int8 | 1 | a.tflite | 1,234 |",
        "## Licence None is given here.",
        "## Limits",
    ):
        assert part in text


def test_card_tells_what_kegnet_plus_mixes_and_that_a_table_has_noise_for_images():
    plus = {**STUDENT, "arm": "kegnet+"}
    mixed = "1,200 steps on what 2 generators, learned from the teacher alone, draw, mixed with"
    assert f"{mixed} procedural images (KegNet" in card(plus)
    assert f"{mixed} Gaussian noise (KegNet" in card(plus, {**ABOUT, "input_shape": [2]})
    assert "1,200 steps on procedural images" in card({**STUDENT, "arm": "procedural"})


def test_card_tells_units_and_ranges_of_the_input():
    # (0 - 0.1307) / 0.3081 and (1 - 0.1307) / 0.3081
    assert (
        "`x`, float32, [batch, 32, 32, 1]: pixels in [0, 1], less 0.1307 and divided by 0.3081, so "
        "from -0.4242 to 2.821. The SavedModel's signature `serving_raw` takes the pixels "
        "themselves, uint8 in [0, 255]."
    ) in card()
    vectors = {**ABOUT, "input_shape": [2]}
    assert "features in their own units, less 1, 2 and divided by 3, 4." in card(
        about=vectors, raw=((1.0, 2.0), (3.0, 4.0))
    )
    assert "raw values, as the teacher eats them" in card(raw=())
    assert "Nothing tells its units" in card(raw=None)


def test_card_tells_the_output():
    assert "`logits`, float32, [batch, 10]" in card()


def test_card_tells_how_integers_stand_for_numbers():
    text = card(quantisation={"u.tflite": ((0.5, 7), (0.25, 128))})
    assert (
        "`u.tflite`: `x` has scale 0.5 and zero point 7, `logits` scale 0.25 and zero point 128"
    ) in text
    assert "Integers in and out" not in card()


def test_card_without_real_data_says_so():
    student = {**STUDENT, "accuracy": None, "balanced_accuracy": None}
    assert "real test data: not measured" in card(student)
    exports = [{**EXPORTS[0], "accuracy": 0.5}]
    assert "real test data: measured for the files only" in card(student, exports=exports)


@pytest.mark.parametrize(
    ("arm", "words"),
    [
        ("tucker", "with no distillation"),
        ("uniform", "1,200 steps on uniform noise"),
        ("gaussian", "1,200 steps on Gaussian noise"),
    ],
)
def test_card_tells_every_arm(arm, words):
    assert words in card({**STUDENT, "arm": arm})


def test_card_shows_what_became_of_each_layer():
    row = {"name": "conv3", "ranks": (7, 11), "parameters": (48120, 3477)}
    row |= {"multiply_adds": (48000, 6045), "error": 0.76, "note": ""}
    assert "| conv3 | (7, 11) | 48,120 | 3,477 |" in card(layers=[row])
