import dataclasses

import pytest

from kegnet_tf.runs import workdir


def test_whole_leaves_nothing_under_the_final_name_where_writing_fails(tmp_path):
    path = tmp_path / "folder" / "report.json"

    def write(fail):
        with workdir.whole(path) as partial:
            partial.write_text("all")
            if fail:
                raise RuntimeError

    with pytest.raises(RuntimeError):
        write(fail=True)
    assert not path.exists()
    write(fail=False)
    assert [file.name for file in path.parent.iterdir()] == ["report.json"]
    assert path.read_text() == "all"


def test_whole_keeps_what_stood_there_where_writing_fails(tmp_path):
    workdir.write_json(tmp_path / "a.json", {"a": 1})
    with pytest.raises(TypeError):
        workdir.write_json(tmp_path / "a.json", {"a": object()})
    assert workdir.read_json(tmp_path / "a.json") == {"a": 1}


def test_whole_touches_no_file_of_somebody_else(tmp_path):
    (tmp_path / "partial-export").mkdir()
    (tmp_path / "partial-export" / "thesis.txt").write_text("years of work")
    with workdir.whole(tmp_path / "export") as partial:
        partial.mkdir()
    assert (tmp_path / "partial-export" / "thesis.txt").read_text() == "years of work"
    assert {path.name for path in tmp_path.iterdir()} == {"export", "partial-export"}


def test_whole_puts_a_folder_in_the_place_of_nothing_but_an_empty_one(tmp_path):
    def write(name):
        with workdir.whole(tmp_path / "export") as partial:
            partial.mkdir()
            (partial / name).write_text("")

    (tmp_path / "export").mkdir()
    write("mine")
    with pytest.raises(OSError, match="not empty"):
        write("new")
    assert [path.name for path in tmp_path.rglob("*")] == ["export", "mine"]


def test_sweep_removes_what_one_process_left_and_nothing_else(tmp_path):
    dead = "0123456789abcdef"
    (tmp_path / "students" / f"partial-{dead}-12-export" / "deep").mkdir(parents=True)
    (tmp_path / f"partial-{dead}-34-a.keras").write_text("half")
    others = ["partial-a.keras", f"partial-{dead[::-1]}-1-a.keras", f"a-partial-{dead}-1"]
    for name in others:
        (tmp_path / name).write_text("mine")
    for writer in (dead, "", "*", "..", f"{dead}*"):
        workdir.sweep(tmp_path, writer)
    assert {path.name for path in tmp_path.rglob("*")} == {"students", *others}


def test_what_is_set_aside_keeps_its_content_and_is_named(tmp_path, caplog):
    for name in ("a.json", "a.keras"):
        (tmp_path / name).write_text(name)
    aside = workdir.set_aside("is not ours", tmp_path / "a.json", tmp_path / "a.keras")
    assert [path.read_text() for path in aside] == ["a.json", "a.keras"]
    assert {path.suffix for path in aside} == {aside[0].suffix}
    assert not (tmp_path / "a.json").exists()
    (message,) = caplog.messages
    assert f"{tmp_path / 'a.json'} is not ours" in message
    assert aside[0].suffix.removeprefix(".") in message


def test_dataclasses_are_written_as_objects(tmp_path):
    @dataclasses.dataclass(frozen=True)
    class Row:
        name: str
        recall: tuple
        note: str | None = None

    row = Row("a", (0.5, 1.0))
    for content, expected in (
        (row, {"name": "a", "recall": [0.5, 1.0], "note": None}),
        ({"rows": [row]}, {"rows": [{"name": "a", "recall": [0.5, 1.0], "note": None}]}),
    ):
        workdir.write_json(tmp_path / "a.json", content)
        assert workdir.read_json(tmp_path / "a.json") == expected


def test_last_line_of_an_epoch_counts_and_what_was_not_measured_is_left_out(tmp_path):
    lines = ["epoch,loss,real", "0,3.0,NA", "1,2.0,NA", "1,1.5,NA"]
    (tmp_path / "0.csv").write_text("\n".join(lines))
    assert workdir.read_curves(tmp_path / "0.csv") == {"loss": [3.0, 1.5]}


def test_lines_that_a_kill_cut_are_left_out(tmp_path, caplog):
    (tmp_path / "0.csv").write_text("epoch,loss\n0,3.0\n1,2.5\n2\n2,1.01,0.5\n3,1.0\n")
    assert workdir.read_epochs(tmp_path / "0.csv") == {
        0: {"loss": 3.0},
        1: {"loss": 2.5},
        3: {"loss": 1.0},
    }
    assert len(caplog.messages) == 2


@pytest.mark.parametrize("text", ["", "no json", "[" * 100_000])
def test_file_that_is_no_json_is_refused_by_its_name(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=f"Received: {tmp_path / 'a.json'}"):
        workdir.read_json(tmp_path / "a.json")
