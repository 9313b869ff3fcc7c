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


def test_whole_removes_the_folder_that_a_killed_process_left(tmp_path):
    (tmp_path / "partial-export" / "old").mkdir(parents=True)
    with workdir.whole(tmp_path / "export") as partial:
        partial.mkdir()
    assert list((tmp_path / "export").iterdir()) == []


def test_whole_puts_a_folder_in_the_place_of_an_older_one_and_not_before_it_is_done(tmp_path):
    def write(name, fail):
        with workdir.whole(tmp_path / "export") as partial:
            partial.mkdir()
            (partial / name).write_text("")
            if fail:
                raise KeyboardInterrupt

    write("old", fail=False)
    with pytest.raises(KeyboardInterrupt):
        write("new", fail=True)
    assert [path.name for path in tmp_path.rglob("*")] == ["export", "old"]
    write("new", fail=False)
    assert [path.name for path in tmp_path.rglob("*")] == ["export", "new"]


def test_folder_is_claimed_once_and_again_by_the_same_run(tmp_path):
    identity = {"config": {"seed": 0, "shape": (8, 8)}, "teacher": "abc"}
    workdir.claim(tmp_path / "run", identity)
    workdir.claim(tmp_path / "run", identity)


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


def test_folder_of_another_run_is_refused_with_the_first_difference(tmp_path):
    workdir.claim(tmp_path, {"config": {"extraction": {"beta": 0.0}}, "teacher": "abc"})
    before = (tmp_path / "config.json").read_bytes()
    with pytest.raises(ValueError, match=r"where config.extraction.beta is 0.0, not 1.0."):
        workdir.claim(tmp_path, {"config": {"extraction": {"beta": 1.0}}, "teacher": "abc"})
    with pytest.raises(ValueError, match="where teacher is 'abc', not 'abd'"):
        workdir.claim(tmp_path, {"config": {"extraction": {"beta": 0.0}}, "teacher": "abd"})
    assert (tmp_path / "config.json").read_bytes() == before


def test_claimed_folder_tells_its_layout_and_what_it_was_claimed_with(tmp_path):
    workdir.claim(tmp_path, {"config": {"shape": (8, 8)}})
    expected = {"layout": 2, "config": {"shape": [8, 8]}}
    assert (
        workdir.read_identity(tmp_path) == expected == workdir.read_json(tmp_path / "config.json")
    )


@pytest.mark.parametrize(
    ("before", "age"),
    [({"config": {"seed": 0}, "teacher": "abc"}, "an older"), ({"layout": 3}, "a newer"), ([], "")],
)
def test_folder_of_another_version_is_refused_in_one_line(tmp_path, before, age):
    workdir.write_json(tmp_path / "config.json", before)
    message = (
        f"hold a run of this version of kegnet_tf. Received: {tmp_path}, made by .*{age} .*one"
    )
    for refused in (lambda: workdir.claim(tmp_path, {}), lambda: workdir.read_identity(tmp_path)):
        with pytest.raises(ValueError, match=message):
            refused()
    assert workdir.read_json(tmp_path / "config.json") == before
