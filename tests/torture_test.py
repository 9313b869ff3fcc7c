import importlib.util
import shutil

import pytest
import torture

RAY = pytest.mark.skipif(not importlib.util.find_spec("ray"), reason="Ray is not installed")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "cases"),
    [
        ("kegnet", {"kills": 2, "starts": 1, "fills": 1, "spoils": 4}),
        ("reproduce", {"kills": 1, "spoils": 2}),
        pytest.param("reproduce-ray", {"kills": 1}, marks=RAY),
    ],
)
def test_tortured_run_ends_as_an_undisturbed_one(command, cases, tmp_path):
    counts, faults = torture.torture(command, tmp_path, **cases)
    assert faults == []
    assert counts["ended as undisturbed"] >= 1
    shutil.rmtree(tmp_path)


def test_what_spoils_a_file_spoils_it(tmp_path):
    path, content = tmp_path / "a", bytes(range(100))
    generator = torture.random.Random(0)
    for way in ("cut", "flipped", "foreign"):
        path.write_bytes(content)
        torture.spoil(path, way, generator)
        assert path.read_bytes() != content
    torture.spoil(path, "deleted", generator)
    assert not path.exists()
