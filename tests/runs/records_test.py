import json
import pathlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kegnet_tf.runs import records

MADE_OF = {"teacher": "abc", "settings": {"ranks": (3, 4), "rate": 0.1}}
PATH = "students/a.json"


def saver(content):
    return lambda path: path.write_bytes(content)


def write(folder, made_of=None, loss=1.5, keras=b"weights", csv=b"curves"):
    files = {"a.keras": saver(keras), "a.csv": saver(csv)}
    records.write(folder / PATH, {"loss": loss}, made_of or MADE_OF, files)


def read(folder, made_of=MADE_OF):
    return records.read(folder / PATH, made_of)


def aside(folder):
    """What was set aside, by the names that it had."""
    found = sorted((folder / "students").glob("*.set-aside-*"))
    return {path.name.partition(".set-aside-")[0]: path.read_bytes() for path in found}


def test_record_is_read_back_where_everything_is_as_it_was_written(tmp_path):
    assert read(tmp_path) is None
    write(tmp_path)
    assert read(tmp_path) == read(tmp_path, None) == {"loss": 1.5}
    assert {path.name for path in (tmp_path / "students").iterdir()} == {
        *("a.json", "a.keras", "a.csv")
    }
    assert records.files_of(tmp_path / PATH) == [
        tmp_path / "students" / name for name in ("a.json", "a.keras", "a.csv")
    ]


def test_what_was_made_of_something_else_does_not_stand_and_is_set_aside(tmp_path, caplog):
    write(tmp_path)
    other = {**MADE_OF, "settings": {"ranks": (3, 5), "rate": 0.1}}
    assert read(tmp_path, other) is None
    write(tmp_path, other, keras=b"other weights")
    assert read(tmp_path, other) == {"loss": 1.5}
    assert aside(tmp_path).keys() == {"a.json", "a.keras", "a.csv"}
    assert aside(tmp_path)["a.keras"] == b"weights"
    (message,) = caplog.messages
    assert "settings.ranks is [3, 4], not [3, 5]" in message


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_spoilt_bytes_are_found_wherever_they_are_and_nothing_is_lost(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("run")
    write(folder)
    path = data.draw(st.sampled_from(records.files_of(folder / PATH)))
    before = path.read_bytes()
    place = data.draw(st.integers(0, len(before) - 1))
    bit = 1 << data.draw(st.integers(0, 7))
    flipped = before[:place] + bytes([before[place] ^ bit]) + before[place + 1 :]
    after = data.draw(st.sampled_from([flipped, before[:place], None]))
    path.unlink() if after is None else path.write_bytes(after)
    spoilt = after is None or path.suffix != ".json" or not _same_json(before, after)
    assert (read(folder) is None) == spoilt
    write(folder)
    assert read(folder) == {"loss": 1.5}
    assert path.read_bytes() == before or not spoilt
    kept = {path.name: after} if spoilt and after is not None else {}
    if spoilt and path.suffix == ".json":  # nothing tells any more whose the files are
        kept |= {"a.keras": b"weights", "a.csv": b"curves"}
    assert aside(folder) == kept


def _same_json(before, after):
    """Whether a change of bytes is none of content, such as of white space."""
    try:
        return json.loads(before) == json.loads(after)
    except ValueError:
        return False


def test_file_of_somebody_else_under_a_name_of_ours_is_set_aside(tmp_path):
    (tmp_path / "students").mkdir()
    (tmp_path / "students" / "a.keras").write_bytes(b"mine")
    write(tmp_path)
    assert read(tmp_path) == {"loss": 1.5}
    assert aside(tmp_path) == {"a.keras": b"mine"}


def test_record_comes_before_its_files_and_a_kill_between_them_leaves_nothing_behind(
    tmp_path, monkeypatch
):
    replace = records.write_json

    def killed(path, content):
        replace(path, content)
        raise KeyboardInterrupt  # a kill: no file has its name yet

    with monkeypatch.context() as patch:
        patch.setattr(records, "write_json", killed)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path)
    assert [path.name for path in (tmp_path / "students").iterdir()] == ["a.json"]
    assert read(tmp_path) is None
    write(tmp_path)
    assert read(tmp_path) == {"loss": 1.5}
    assert aside(tmp_path) == {}


def test_what_cannot_be_written_leaves_what_stood_there(tmp_path):
    write(tmp_path)

    def full(path):
        path.write_bytes(b"half")
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        records.write(tmp_path / PATH, {"loss": 2.0}, MADE_OF, {"a.keras": full})
    assert read(tmp_path) == {"loss": 1.5}
    assert len([*(tmp_path / "students").iterdir()]) == 3


def test_record_is_amended_and_removed_with_its_files(tmp_path):
    write(tmp_path)
    (tmp_path / "students" / "mine.keras").write_bytes(b"mine")
    records.amend(tmp_path / PATH, {"loss": float("nan"), "accuracy": 0.5})
    assert read(tmp_path)["accuracy"] == 0.5  # and a loss that is no number does not spoil it
    records.remove(tmp_path / PATH)
    assert [path.name for path in (tmp_path / "students").iterdir()] == ["mine.keras"]
    assert records.files_of(tmp_path / PATH) == []


@pytest.mark.parametrize("text", ["[]", "{}", "3", '{"sha256": 1}', "[" * 100_000])
def test_other_json_is_no_record(tmp_path, text):
    path = pathlib.Path(tmp_path / "a.json")
    path.write_text(text)
    assert records.read(path) is None
    assert records.files_of(path) == []


def test_first_difference_is_told_by_its_dotted_name():
    before = {"a": {"b": [1, 2], "c": None}, "d": 1}
    assert records.difference(before, before) == ""
    assert records.difference(before, {**before, "a": {"b": [1, 3]}}) == "a.b is [1, 2], not [1, 3]"
    assert records.difference({"x": 1}, {}) == "x is 1, not None"
