import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kegnet_tf import export


def file(path, size, milliseconds, agreement, **more):
    model = path.partition("_")[0]
    return export.ExportedFile(
        *("litert_" + path.partition("_")[2], 1, path, size),
        **{"model": model, "milliseconds": milliseconds, "teacher_agreement": agreement, **more},
    )


TEACHER = file("teacher_float32", 400, 1.0, 1.0)
DYNAMIC = file("teacher_dynamic_range", 110, 0.8, 0.99)
INT8 = file("teacher_int8", 112, 2.0, 0.96)
STUDENT = file("student_float32", 130, 0.5, 0.8)
SMALL = file("student_int8", 50, 0.6, 0.78)
ROWS = [TEACHER, DYNAMIC, INT8, STUDENT, SMALL]


def beaten(rows):
    return {row.path: row.beaten_by for row in export.beaten(rows) if row.beaten_by}


def choice(rows, tolerance=0.05):
    return export.recommend(export.beaten(rows), tolerance)


def test_file_is_beaten_by_one_that_is_smaller_no_slower_and_agrees_as_often():
    assert beaten(ROWS) == {"teacher_int8": "teacher_dynamic_range"}
    smaller = dataclasses.replace(STUDENT, bytes=111, teacher_agreement=0.96)
    assert beaten([INT8, smaller]) == {"teacher_int8": "student_float32"}
    for one_worse in ({"bytes": 112}, {"milliseconds": 2.2}, {"teacher_agreement": 0.95}):
        assert beaten([INT8, dataclasses.replace(smaller, **one_worse)]) == {}


def test_times_that_are_five_percent_apart_are_equal():
    near = file("student_a", 100, 1.04, 1.0)
    assert beaten([TEACHER, near]) == {"teacher_float32": "student_a"}
    assert beaten([TEACHER, dataclasses.replace(near, milliseconds=1.06)]) == {}


def test_file_that_was_not_measured_neither_beats_nor_is_chosen():
    unknown = [
        dataclasses.replace(SMALL, path=name, **{name: None})
        for name in ("bytes", "milliseconds", "teacher_agreement")
    ]
    assert beaten([INT8, *unknown]) == {}
    assert choice(unknown) is None
    assert choice([]) is None
    assert choice([INT8, *unknown]).path == "teacher_int8"


@pytest.mark.parametrize(
    ("tolerance", "path"),
    [
        (0.0, "teacher_float32"),
        (0.01, "teacher_dynamic_range"),
        (0.05, "teacher_dynamic_range"),
        (0.2, "teacher_dynamic_range"),  # the student of .8 is larger
        (0.22, "student_int8"),
    ],
)
def test_smallest_file_within_the_loss_is_recommended(tolerance, path):
    assert choice(ROWS, tolerance).path == path


def test_of_sizes_within_a_tenth_the_faster_file_is_recommended():
    other = file("student_int8", 101, 0.9, 0.97)
    faster = choice([DYNAMIC, other])  # 110 and .8
    assert faster.path == "teacher_dynamic_range"
    assert "the faster of the files within a tenth of the smallest, beaten by" in faster.reason
    assert "the smallest file, beaten by" in choice([DYNAMIC, STUDENT]).reason
    much_smaller = dataclasses.replace(other, bytes=99)
    assert choice([DYNAMIC, much_smaller]).path == "student_int8"
    as_fast = dataclasses.replace(other, milliseconds=0.82)
    assert choice([DYNAMIC, as_fast]).path == "student_int8"


def test_accuracy_changes_nothing_and_is_told():
    told = [dataclasses.replace(row, accuracy=0.1 * index) for index, row in enumerate(ROWS)]
    found, bare = choice(told), choice(ROWS)
    assert (found.path, found.facts) == (bare.path, bare.facts)
    assert found.reason.startswith(bare.reason)
    right = {row.path: row.accuracy for row in told}
    assert f"the one is right in {right[found.path]:.2%}, the other in" in found.reason
    assert found.reason.endswith("of its bytes.")
    assert "right in" not in bare.reason
    assert beaten(told) == beaten(ROWS)


@pytest.mark.parametrize(
    ("rows", "parts"),
    [
        (
            ROWS,
            ["(110 bytes, 0.8 ms an example, the teacher's answer to 99.0% of", "at most 5 points"]
            + ["student_float32 (130 bytes", "80.0%), loses more: quantise the teacher and stop."],
        ),
        ([TEACHER, STUDENT], ["80.0%), loses more: leave the teacher as it is."]),
        ([TEACHER, DYNAMIC], ["agreement. So quantise the teacher and stop."]),
        (
            [TEACHER, DYNAMIC, dataclasses.replace(STUDENT, teacher_agreement=0.97)],
            ["97.0%), is larger or slower: quantise the teacher and stop."],
        ),
        (
            [TEACHER, dataclasses.replace(STUDENT, teacher_agreement=0.97)],
            ["(130 bytes, 0.5 ms", "The teacher's smallest: 400 bytes, 1 ms an example"],
        ),
        ([STUDENT], ["those that lose at most 5 points of that agreement."]),
    ],
)
def test_sentence_says_what_and_why(rows, parts):
    sentence = choice(rows).sentence
    for part in parts:
        assert part in sentence
    assert "\n" not in sentence


def test_table_marks_what_is_recommended_and_what_is_beaten():
    rows = export.beaten([*ROWS, export.ExportedFile("saved_model", "any", "saved_model", 9)])
    lines = export.choice_table(rows, export.recommend(rows, 0.05)).splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    heading, rule, *body = cells
    assert heading == [
        "file",
        "bytes",
        "milliseconds",
        "XNNPACK",
        "threads",
        "agreement with the teacher",
        "accuracy",
        "",
    ]
    assert body[1] == ["teacher_dynamic_range", "110", "0.8", "", "", "99.00%", "", "recommended"]
    assert body[2][-1] == "beaten by teacher_dynamic_range"
    assert [row[0] for row in body] == [row.path for row in ROWS]


rows_of = st.lists(
    st.tuples(
        st.sampled_from(["teacher", "student"]),
        st.integers(1, 9),
        st.floats(0.1, 9),
        st.floats(0, 1),
    ),
    min_size=1,
    max_size=8,
).map(lambda all_of: [file(f"{m}_{i}", *rest) for i, (m, *rest) in enumerate(all_of)])


@given(rows_of, st.floats(0, 1))
def test_choice_is_always_one_that_is_not_beaten_and_within_the_loss(rows, tolerance):
    chosen = choice(rows, tolerance)
    (row,) = [row for row in export.beaten(rows) if row.path == chosen.path]
    best = max(row.teacher_agreement for row in rows)
    assert row.beaten_by is None
    assert row.teacher_agreement >= best - tolerance
    least = min(r.bytes for r in rows if r.teacher_agreement >= best - tolerance)
    assert row.bytes <= 1.1 * least
