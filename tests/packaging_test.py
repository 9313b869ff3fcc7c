import ast
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest

ROOT = pathlib.Path(__file__).parents[1]
SELDOM = ("matplotlib", "tensorboard", "tensorflow_datasets")
HEAVY = ("keras", "tensorflow", "numpy", *SELDOM)
TABLES = ("letter", "pendigits", "shuttle")


def test_package_and_presets_are_imported_without_what_takes_seconds():
    source = f"""
import sys
import kegnet_tf, kegnet_tf.runs, kegnet_tf.configs.mnist
print(*sorted({{*{HEAVY}}} & sys.modules.keys()))
"""
    command = [sys.executable, "-P", "-c", source]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "\n"


def test_what_few_need_is_imported_at_the_top_of_few_modules():
    importing = set()
    for path in (ROOT / "kegnet_tf").rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if {name.split(".")[0] for name in names} & {*SELDOM}:
                importing.add(str(path.relative_to(ROOT / "kegnet_tf")))
    builders = {f"datasets/{name}/{name}_dataset_builder.py" for name in TABLES}
    assert importing - builders == {
        *("datasets/uci.py", "runs/tensorboard.py"),
        *("runs/pictures/charts.py", "runs/pictures/images.py", "runs/pictures/look.py"),
    }


def test_public_names_are_there():
    import kegnet_tf
    from kegnet_tf import runs

    for package in (kegnet_tf, runs):
        for name in package.__all__:
            assert getattr(package, name) is not None


def tracked():
    """Files of the checkout, but for what git ignores and what was removed."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted(name for name in listed.split("\0") if name and (ROOT / name).is_file())


@pytest.mark.slow
def test_wheel_holds_every_module_preset_and_data_file_and_every_binary(tmp_path):
    if not (ROOT / ".git").exists():
        pytest.skip("needs a checkout of git, to know which files belong to it")
    for name in tracked():
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / "tree" / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir=wheel"]
    subprocess.run([*command, "./tree"], cwd=tmp_path, check=True)
    (wheel,) = (tmp_path / "wheel").iterdir()
    found = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    expected = {name for name in tracked() if name.startswith("kegnet_tf/")}
    expected |= {f"kegnet_tf/{name}" for name in tracked() if name.startswith("configs/")}
    binaries = {name.rpartition("/")[2] for name in found if ".data/scripts/" in name}
    assert binaries == {path.name for path in (ROOT / "bin").iterdir()}
    assert {name for name in found if ".data/" not in name} == expected
