import dataclasses

from kegnet_tf import export

FINE = export.ExportedFile("litert_float32", 1, "a.tflite", 10, accuracy=0.9)
LOSING = export.ExportedFile("litert_int8", 1, "b.tflite", 5, accuracy=0.8, note="loses 10 points")
WORSE = dataclasses.replace(LOSING, path="c.tflite", accuracy=0.7, note="loses 20 points")
MISSING = export.ExportedFile("litert_int8", 1, "d.tflite", note="not written: no kernel.")


def test_nothing_is_said_where_no_file_loses():
    assert export.warning([FINE, FINE]) == ""


def test_all_files_that_lose_share_one_warning_with_the_worst_and_what_to_do():
    said = export.warning([FINE, LOSING, WORSE])
    assert said.startswith("b.tflite (and c.tflite) loses 20 points: take a file with int8 weights")
    assert "--config.export.qat=on" in said


def test_files_that_could_not_be_made_are_named_together():
    said = export.warning([MISSING, dataclasses.replace(MISSING, path="e.tflite")])
    assert said == "d.tflite (and e.tflite) not written: no kernel."
