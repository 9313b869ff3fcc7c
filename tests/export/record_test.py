import dataclasses
import json

import pytest

from kegnet_tf import export

RECORD = export.ExportRecord(
    student="students/student1-kegnet-0.keras",
    student_digest="def",
    teacher="",
    teacher_digest="abc",
    parameters=7,
    formats=("litert_float32",),
    calibration="kegnet",
    calibration_size=6,
    headroom=2.0,
    real_examples=0,
    input_shape=(8, 8, 1),
    num_classes=3,
    exports=[
        export.ExportedFile("saved_model", "any", "saved_model", 10, 1e-7, 1.0),
        export.ExportedFile("litert_float32", 1, "student.tflite", note="not written: x."),
    ],
)


def test_record_is_read_as_it_was_written(tmp_path):
    RECORD.write(tmp_path)
    assert export.ExportRecord.read(tmp_path) == RECORD


def test_export_json_holds_these_keys_in_this_order_and_ends_its_last_line(tmp_path):
    RECORD.write(tmp_path)
    text = (tmp_path / "export.json").read_text()
    content = json.loads(text)
    assert text == json.dumps(content, indent=2) + "\n"
    assert list(content) == [
        *("student", "student_digest", "teacher", "teacher_digest", "parameters", "formats"),
        *("calibration", "calibration_size", "headroom", "real_examples", "input_shape"),
        *("num_classes", "basis", "tolerance", "qat", "integers", "lean"),
        *("exports", "rivals", "files"),
        "sha256",
    ]
    assert list(content["exports"][0]) == [
        *("format", "batch", "path", "bytes", "max_abs_error", "agreement", "real_max_abs_error"),
        *("real_agreement", "accuracy", "note", "model", "teacher_agreement", "milliseconds"),
        *("beaten_by", "loss", "xnnpack", "threads", "standardise"),
    ]
    assert content["input_shape"] == [8, 8, 1]


def test_records_of_one_setting_are_equal_but_for_their_files():
    assert dataclasses.replace(RECORD, exports=[]) != RECORD
    other = dataclasses.replace(RECORD, exports=[], formats=["litert_float32"])
    assert other == dataclasses.replace(RECORD, exports=())


@pytest.mark.parametrize(
    "text", ["no JSON", "[]", "{}", '{"exports": []}', '{"exports": [{"size": 3}]}']
)
def test_file_that_is_no_record_is_refused_with_its_path(tmp_path, text):
    (tmp_path / "export.json").write_text(text)
    with pytest.raises(ValueError, match=r"hold an export of kegnet. Received: .*export\.json \("):
        export.ExportRecord.read(tmp_path)


def test_folder_without_a_record_is_an_oserror(tmp_path):
    with pytest.raises(OSError, match=r"export\.json"):
        export.ExportRecord.read(tmp_path)


@pytest.mark.parametrize("path", ["../a.tflite", "/tmp/a.tflite", "a/b.tflite", "..", ""])
@pytest.mark.parametrize("rows", ["exports", "rivals"])
def test_row_whose_file_lies_elsewhere_is_refused_in_one_line(tmp_path, path, rows):
    row = export.ExportedFile("litert_float32", 1, path, 10)
    dataclasses.replace(RECORD, **{rows: [row]}).write(tmp_path)
    with pytest.raises(ValueError, match="is no name of a file in it") as raised:
        export.ExportRecord.read(tmp_path)
    assert "\n" not in str(raised.value)
