import dataclasses
import json

import pytest
from smallest_runs import RECORD

from kegnet_tf import export
from kegnet_tf.runs import export_folder


@pytest.fixture
def folder(tmp_path):
    """An export."""
    folder = tmp_path / "export"
    (folder / "saved_model" / "variables").mkdir(parents=True)
    for name in ("labels.txt", "a.tflite", "saved_model/variables/variables.index"):
        (folder / name).write_text(name)
    RECORD.write(folder)
    return folder


def test_export_stands_for_its_record_alone(folder):
    assert export_folder.stands(folder, RECORD)
    for change in ({"student_digest": "abd"}, {"headroom": 1.0}, {"teacher_digest": "x"}):
        assert not export_folder.stands(folder, dataclasses.replace(RECORD, **change))
    (folder / "notes.txt").write_text("mine")  # somebody's own, beside it
    assert export_folder.stands(folder, RECORD)
    assert not export_folder.stands(folder / "absent", RECORD)


@pytest.mark.parametrize("way", ["cut", "foreign", "deleted"])
def test_export_with_a_spoilt_file_does_not_stand(folder, way):
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        before = path.read_bytes()
        if way == "deleted":
            path.unlink()
        else:
            path.write_bytes(before[:-2] if way == "cut" else b"mine")
        assert not export_folder.stands(folder, RECORD), path
        path.write_bytes(before)


def test_export_as_it_was_written_makes_room(folder):
    export_folder.retire(folder)
    assert not folder.exists()
    assert not [*folder.parent.iterdir()]
    export_folder.retire(folder)  # nothing there


@pytest.mark.parametrize("name", ["notes.txt", "a.tflite", "export.json", "deep/notes.txt"])
def test_export_with_a_file_of_somebody_else_is_set_aside_whole(folder, name, caplog):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("mine")
    before = {path.relative_to(folder): path.is_file() for path in folder.rglob("*")}
    export_folder.retire(folder)
    (aside,) = folder.parent.iterdir()
    assert {path.relative_to(aside): path.is_file() for path in aside.rglob("*")} == before
    assert (aside / name).read_text() == "mine"
    assert "which no export wrote" in caplog.messages[-1]


@pytest.mark.parametrize("target", ["pictures", "absent"])
def test_link_that_somebody_put_into_an_export_is_no_folder_of_ours(folder, tmp_path, target):
    (tmp_path / "pictures").mkdir()
    (folder / "link").symlink_to(tmp_path / target)
    export_folder.retire(folder)
    (aside,) = tmp_path.glob("export.set-aside-*")
    assert (aside / "link").is_symlink()
    assert (aside / "labels.txt").read_text() == "labels.txt"
    assert (tmp_path / "pictures").is_dir()


def test_file_elsewhere_that_a_forged_record_names_stays(folder, tmp_path):
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    content = json.loads((folder / "export.json").read_text())
    del content["sha256"]
    content["files"]["../mine.txt"] = export.fingerprint(mine)
    (folder / "export.json").write_text(json.dumps(export.sealed(content)))
    assert mine in {path.resolve() for path in export.ExportRecord.read(folder).intact(folder)}
    export_folder.retire(folder)
    assert mine.read_text() == "mine"
    assert not folder.exists()
