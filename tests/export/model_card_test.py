import dataclasses

import numpy as np
import pytest

from kegnet_tf import compression, distillation, export
from kegnet_tf.export import card_parts

STUDENT = distillation.StudentResult(
    name="student2",
    arm="kegnet",
    seed=3,
    selection="last",
    seconds=1.0,
    parameters=15000,
    accuracy=0.9307,
    balanced_accuracy=0.93,
    recall=None,
    agreement=0.95,
    compression_ratio=4.1137,
)
FILE = export.ExportedFile("litert_int8", 1, "a.tflite", 1234)
RECORD = export.ExportRecord(
    student="students/student2-kegnet-3.keras",
    teacher="mnist",
    student_digest="abc",
    teacher_digest="abc123",
    parameters=15000,
    formats=["litert_int8"],
    calibration="kegnet",
    calibration_size=500,
    headroom=2.0,
    real_examples=0,
    input_shape=[32, 32, 1],
    num_classes=10,
    exports=[FILE],
)
CARD = export.ModelCard(
    dataset="mnist",
    version="0.1.0",
    student=STUDENT,
    teacher=distillation.TeacherResult(
        parameters=61706, accuracy=0.9901, balanced_accuracy=0.99, recall=None
    ),
    steps=1200,
    num_generators=2,
    mixture=("procedural",),
    layers=[],
    record=RECORD,
    raw=((0.1307,), (0.3081,)),
    quantisation={},
)
VECTORS = dataclasses.replace(RECORD, input_shape=[2])


def text(student=None, **changed):
    """The card of a student of MNIST with other fields, in one line."""
    changed["student"] = dataclasses.replace(STUDENT, **student or {})
    return " ".join(dataclasses.replace(CARD, **changed).markdown().split())


def test_card_tells_origin_compression_and_measures():
    card = text()
    for part in (
        "# student2, a compressed classifier of mnist",
        "distilled without data: 1,200 steps on what 2 generators",
        "kegnet_tf 0.1.0, seed 3). The teacher's",
        "SHA-256 digest `abc123`",
        "calibrated on 500 examples, drawn by the generators, times 2.",
        "15,000 trainable parameters where the teacher has 61,706: a ratio of 4.11.",
        "synthetic data: 95.00%",
        "real test data: 93.07% (balanced over classes 93.00%); teacher 99.01%",
        "| litert_int8 | 1 | a.tflite | 1,234 |",
        "## Licence None is given here.",
        "## Limits",
    ):
        assert part in card


def test_card_ends_in_one_line_break_and_never_says_none():
    assert CARD.markdown().endswith("teacher's.\n")
    assert "None " not in CARD.markdown().replace("None is given", "")


def test_card_tells_what_kegnet_plus_mixes_and_that_a_table_has_noise_for_images():
    plus = {"arm": "kegnet+"}
    drawn = "1,200 steps on what 2 generators, learned from the teacher alone, draw"
    assert f"{drawn}, mixed with procedural images (KegNet" in text(plus)
    assert f"{drawn}, mixed with heavy-tailed noise (KegNet" in text(plus, record=VECTORS)
    assert f"{drawn}, mixed with Gaussian noise and procedural images (KegNet" in text(
        plus, mixture=("procedural", "gaussian", "kegnet")
    )
    for mixture in ((), ("kegnet",)):
        assert f"{drawn} (KegNet" in text(plus, mixture=mixture)


def test_card_tells_what_it_learned_from_beside_artificial_data_and_does_not_call_that_free_of_it():
    told = "Students of kegnet+ also learned from 5 unlabelled pictures of a; not data-free."
    card = text({"arm": "kegnet+"}, mixture=("procedural", "unlabeled"), unlabeled=told)
    assert "distilled for 1,200 steps on what 2 generators, learned from the teacher" in card
    assert "mixed with procedural images and unlabelled real data (KegNet" in card
    assert f"seed 3). {told} The teacher's weights" in card
    assert "without data" not in card
    assert card.count("data-free") == 1
    assert "data-free" not in text({"arm": "kegnet+"})


@pytest.mark.parametrize(
    ("arm", "words"),
    [
        ("unlabeled", "1,200 steps on unlabelled real data"),
        ("tucker", "with no distillation"),
        ("uniform", "1,200 steps on uniform noise"),
        ("gaussian", "1,200 steps on Gaussian noise"),
        ("heavy_tailed", "1,200 steps on heavy-tailed noise"),
        ("procedural", "1,200 steps on procedural images"),
    ],
)
def test_card_tells_every_arm(arm, words):
    assert words in text({"arm": arm})


@pytest.mark.parametrize(
    ("settled", "sentence"),
    [
        (
            {"loss": "logits", "batch_norm": "training"},
            "It learned by squared error on centred logits, with any BatchNorm in training mode.",
        ),
        (
            {"loss": "cross_entropy"},
            "It learned by cross entropy with the teacher's probabilities.",
        ),
        ({"batch_norm": "inference"}, "It learned with any BatchNorm in inference mode."),
    ],
)
def test_card_tells_what_the_pilots_settled(settled, sentence):
    assert f"seed 3). {sentence} The teacher's weights" in text(settled)


def test_card_tells_units_and_ranges_of_the_input():
    # (0 - 0.1307) / 0.3081 and (1 - 0.1307) / 0.3081
    assert (
        "`x`, float32, [batch, 32, 32, 1]: pixels in [0, 1], less 0.1307 and divided by 0.3081, so "
        "from -0.4242 to 2.821. The SavedModel's signature `serving_raw` takes the pixels "
        "themselves, uint8 in [0, 255]."
    ) in text()
    assert "features in their own units, less 1, 2 and divided by 3, 4." in text(
        record=VECTORS, raw=((1.0, 2.0), (3.0, 4.0))
    )
    assert "raw values, in the units that the teacher was given" in text(raw=())
    assert "Nothing tells its units" in text(raw=None)


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({}, ["x = np.float32(picture).reshape(1, 32, 32, 1) / 255"]),
        ({}, ["x = np.float32((x - [0.1307]) / [0.3081])"]),
        ({}, ['picture = Image.open("picture.png").convert("L")']),
        ({"raw": ()}, ["x = np.float32(picture).reshape(1, 32, 32, 1)  # from 0 to 255", "```"]),
        (
            {"record": VECTORS, "raw": ((1.0, 2.0), (3.0, 4.0))},
            [
                "x = np.float32([features])  # of one example, a list",
                "x = np.float32((x - [1.0, 2.0]) / [3.0, 4.0])",
            ],
        ),
    ],
)
def test_card_holds_the_code_of_what_is_done_before_the_model(changes, lines):
    assert "\n".join(lines) in dataclasses.replace(CARD, **changes).markdown()


def test_code_of_the_card_makes_what_the_teacher_expects_of_a_row():
    code = card_parts.preprocessing(VECTORS, ((1.0, 2.0), (3.0, 4.0)))
    names = {"features": [4.0, -2.0]}
    exec(code, names)
    assert names["x"].dtype == "float32"
    assert names["x"].tolist() == [[1.0, -1.0]]


def test_card_has_no_code_where_nothing_tells_the_units():
    assert "```" not in dataclasses.replace(CARD, raw=None).markdown()


def test_card_tells_the_output():
    assert "`logits`, float32, [batch, 10]" in text()


def test_card_tells_how_integers_stand_for_numbers():
    assert (
        "`u.tflite`: `x` has scale 0.5 and zero point 7, `logits` scale 0.25 and zero point 128"
    ) in text(quantisation={"u.tflite": ((0.5, 7), (0.25, 128), None)})
    assert "Integers in and out" not in text()


def test_card_tells_how_a_row_is_standardised_for_integers():
    scales = np.float32([1, 500]), np.float32([2, 0.25])
    told = text(quantisation={"u.tflite": ((0.5, 7), (0.25, 128), scales)})
    assert "- mean: 1, 500 - deviation: 2, 0.25" in told
    assert "deviation:" not in text(quantisation={"u.tflite": ((0.5, 7), (0.25, 128), None)})


def test_card_tells_what_training_as_integers_gave_and_which_tensors_suffer():
    row = {"tensor": "conv", "decibels": 20.0, "cut": 0.5, "low": 0.0, "high": 1.0}
    shares = {"float": 0.9, "rounded": 0.8, "trained": 0.85}
    record = dataclasses.replace(
        RECORD,
        qat={"qat_steps": 400},
        integers={"trained": True, "agreements": shares, "roundings": [row]},
    )
    told = text(record=record)
    assert "in 90.00%; rounded to int8 in 80.00%; after 400 more steps" in told
    assert "in 85.00%, and were taken." in told
    assert "conv 20.0 50.00% 0 to 1" in " ".join(told.replace("|", " ").split())
    assert "Rounding" not in text()
    lean = dataclasses.replace(record, lean={"trained": True, "agreements": shares})
    assert "rounded to kernels of four bits in 80.00%" in text(record=lean)
    left = dataclasses.replace(record, integers={**record.integers, "trained": False})
    assert "and were left." in text(record=left)


@pytest.mark.parametrize(
    ("calibration", "words"),
    [
        ("kegnet+", "500 examples, of the mixture above, times"),
        ("gaussian", "500 examples, of Gaussian noise, times"),
        ("train", "500 examples, of the real training data, times"),
        ("mine.npz", "500 examples, of a file that was given, times"),
    ],
)
def test_card_tells_what_ranges_come_from(calibration, words):
    assert words in text(record=dataclasses.replace(RECORD, calibration=calibration))


def test_card_without_real_data_says_so():
    unmeasured = {"accuracy": None, "balanced_accuracy": None}
    assert "real test data: not measured" in text(unmeasured)
    files = [dataclasses.replace(FILE, accuracy=0.5)]
    record = dataclasses.replace(RECORD, exports=files)
    assert "real test data: measured for the files only" in text(unmeasured, record=record)


def test_card_shows_what_became_of_each_layer():
    row = compression.LayerReport(
        name="conv3",
        ranks=(7, 11),
        parameters=(48120, 3477),
        multiply_adds=(48000, 6045),
        error=0.76,
        note="",
    )
    assert "| conv3 | (7, 11) | 48,120 | 3,477 |" in text(layers=[row])
