import pytest
from smallest_runs import RECORD

from kegnet_tf.runs import manifest, records


@pytest.fixture
def folder(tmp_path):
    """A run with a report, a student and an export, all noted; and a file of somebody else."""
    manifest.keep(tmp_path, {"report.json": "{}\n", "report.md": "# Report\n"})
    save = {"a.keras": lambda path: path.write_text("weights")}
    records.write(tmp_path / "students" / "a.json", {}, {}, save)
    for name in ("export/deep/a.tflite", "tensorboard/a/events.out.tfevents.1"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(name)
    RECORD.write(tmp_path / "export")
    for name in ("students/mine.keras", "export/mine.txt", "mine.json"):
        (tmp_path / name).write_text("mine")
    manifest.seal(tmp_path)
    return tmp_path


def test_manifest_holds_every_file_that_a_run_keeps_and_no_other(folder):
    assert {*manifest.known(folder)} == {
        *("report.json", "report.md", "students/a.json", "students/a.keras"),
        *("export/deep/a.tflite", "export/export.json", "tensorboard/a/events.out.tfevents.1"),
    }
    assert manifest.known(folder)["report.json"]["bytes"] == 3
    assert manifest.spoilt(folder) == []


@pytest.mark.parametrize("way", ["cut", "foreign", "deleted"])
def test_every_spoilt_file_is_found_but_those_for_looking_at(folder, way):
    for name in manifest.known(folder):
        path = folder / name
        before = path.read_bytes()
        if way == "deleted":
            path.unlink()
        else:
            path.write_bytes(before[:-1] if way == "cut" else b"mine")
        looked_at = name.startswith("tensorboard/")
        assert manifest.spoilt(folder) == ([] if looked_at else [path])
        path.write_bytes(before)
    (folder / "manifest.json").write_text("{}")
    assert manifest.known(folder) is None
    assert manifest.spoilt(folder) == [folder / "manifest.json"]


def test_text_that_stands_is_left_alone_and_one_that_changed_takes_its_place(folder):
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    manifest.keep(folder, {"report.json": "{}\n"})
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    manifest.keep(folder, {"report.json": "[]\n"})
    assert (folder / "report.json").read_text() == "[]\n"
    assert manifest.spoilt(folder) == []
    assert not [*folder.glob("*.set-aside-*")]


@pytest.mark.parametrize("name", ["report.md", "manifest.json"])
def test_file_that_no_run_wrote_is_set_aside(folder, name):
    (folder / name).write_bytes(b"\xff mine")
    manifest.keep(folder, {"report.md": "# Another\n"})
    assert (folder / "report.md").read_text() == "# Another\n"
    (aside,) = folder.glob(f"{name}.set-aside-*")
    assert aside.read_bytes() == b"\xff mine"
    assert manifest.stands(folder / "report.md", manifest.known(folder))


def test_pictures_are_kept_as_texts_are(tmp_path):
    for content in (b"one", b"two"):
        manifest.keep(tmp_path, {"a.png": lambda path, content=content: path.write_bytes(content)})
        assert (tmp_path / "a.png").read_bytes() == content
    assert manifest.spoilt(tmp_path) == []
    assert not [*tmp_path.glob("*.set-aside-*")]


def test_file_that_a_later_run_does_not_keep_is_not_missed(folder):
    records.write(folder / "synthetic.json", {}, {}, {"synthetic.npz": lambda path: path.touch()})
    manifest.seal(folder)
    records.remove(folder / "synthetic.json")
    manifest.seal(folder)
    assert manifest.spoilt(folder) == []
