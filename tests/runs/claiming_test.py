import pytest

from kegnet_tf.runs import claiming, lock, manifest, workdir

IDENTITY = {"config": {"seed": 0, "extraction": {"beta": 0.0}}, "teacher": "abc"}


def changed(**config):
    return {**IDENTITY, "config": IDENTITY["config"] | config}


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def trained(folder):
    """Makes a folder that of a run with a generator."""
    claiming.claim(folder, IDENTITY)
    (folder / "generators").mkdir()
    (folder / "generators" / "0.json").write_text("{}")


def test_folder_is_claimed_once_and_again_by_the_same_run(tmp_path):
    identity = {"config": {"seed": 0, "shape": (8, 8)}, "teacher": "abc"}
    claiming.claim(tmp_path / "run", identity)
    before = content(tmp_path)
    claiming.claim(tmp_path / "run", identity)
    assert content(tmp_path) == before
    assert claiming.read_identity(tmp_path / "run") == {
        "layout": claiming.LAYOUT,
        "config": {"seed": 0, "shape": [8, 8]},
        "teacher": "abc",
    }


def test_folder_with_files_of_somebody_else_is_refused_and_left_as_it_is(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    before = content(tmp_path)
    for refuse in (claiming.check, claiming.claim):
        with pytest.raises(ValueError, match="must be new or empty, or hold a run.*thesis.txt"):
            refuse(tmp_path, IDENTITY)
    assert content(tmp_path) == before
    with pytest.raises(ValueError, match="`workdir` must be a folder"):
        claiming.check(tmp_path / "thesis.txt", IDENTITY)


def test_folder_of_a_run_that_was_killed_before_it_began_is_new(tmp_path):
    for name in (*lock.FILES, "partial-0123456789abcdef-1-config.json"):
        (tmp_path / name).write_text("")
    claiming.check(tmp_path, IDENTITY)


@pytest.mark.parametrize(
    ("identity", "message"),
    [
        (changed(extraction={"beta": 1.0}), "where config.extraction.beta is 0.0, not 1.0"),
        (changed(seed=1), "where config.seed is 0, not 1"),
        ({**IDENTITY, "teacher": "abd"}, "where teacher is 'abc', not 'abd'"),
        ({**IDENTITY, "student": "s"}, "where student is None, not 's'"),
    ],
)
def test_folder_of_another_run_is_refused_with_the_first_difference(tmp_path, identity, message):
    trained(tmp_path)
    before = content(tmp_path)
    with pytest.raises(ValueError, match=message):
        claiming.claim(tmp_path, identity)
    assert content(tmp_path) == before


def test_settings_may_change_as_long_as_nothing_was_made_with_them(tmp_path, caplog):
    caplog.set_level("INFO")
    claiming.claim(tmp_path, IDENTITY)
    claiming.claim(tmp_path, changed(extraction={"beta": 1.0}))
    assert caplog.messages == ["Settings that changed: extraction.beta is 1.0, was 0.0."]
    assert claiming.read_identity(tmp_path)["config"]["extraction"] == {"beta": 1.0}


def test_settings_that_no_generator_depends_on_may_change_at_any_time(tmp_path):
    trained(tmp_path)
    claiming.claim(tmp_path, changed(export={"headroom": 1.0}))
    assert claiming.read_identity(tmp_path)["config"]["export"] == {"headroom": 1.0}


@pytest.mark.parametrize(
    ("before", "age"),
    [
        ({"config": {"seed": 0}, "teacher": "abc"}, "an older"),
        ({"layout": 2, "config": {"seed": 0}}, "an older"),
        ({"layout": 4}, "a newer"),
        ([], ""),
    ],
)
def test_folder_of_another_version_is_refused_in_one_line(tmp_path, before, age):
    workdir.write_json(tmp_path / "config.json", before)
    message = (
        f"hold a run of this version of kegnet_tf. Received: {tmp_path}, made by .*{age} .*one"
    )
    for refused in (
        lambda: claiming.claim(tmp_path, IDENTITY),
        lambda: claiming.read_identity(tmp_path),
    ):
        with pytest.raises(ValueError, match=message):
            refused()
    assert workdir.read_json(tmp_path / "config.json") == before


@pytest.mark.parametrize("text", [None, "", "no json", '{"layout": 3, "config": {}}'])
def test_spoilt_configuration_is_written_anew_and_what_stood_there_kept(tmp_path, text):
    trained(tmp_path)
    path = tmp_path / "config.json"
    before = path.read_bytes()
    path.unlink() if text is None else path.write_text(text)
    claiming.claim(tmp_path, IDENTITY)
    assert path.read_bytes() == before
    aside = [each.read_text() for each in tmp_path.glob("config.json.set-aside-*")]
    assert aside == ([] if text is None else [text])
    assert manifest.spoilt(tmp_path) == []


def test_configuration_and_manifest_that_are_both_gone_leave_a_folder_of_nobody(tmp_path):
    trained(tmp_path)
    for name in ("config.json", "manifest.json"):
        (tmp_path / name).unlink()
    with pytest.raises(ValueError, match="which holds generators and no config.json"):
        claiming.claim(tmp_path, IDENTITY)
