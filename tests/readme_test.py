import os
import pathlib
import re
import subprocess
import sys

import pytest

README = pathlib.Path(__file__).parents[1] / "README.md"


@pytest.mark.slow
def test_python_of_the_readme_runs_and_what_it_exports_runs_with_numpy_and_litert_alone(
    tmp_path, monkeypatch
):
    library, device = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(device.strip().splitlines()) <= 10
    monkeypatch.chdir(tmp_path)
    exec(compile(library, "README.md", "exec"), {})
    assert {"student.keras", "export"} <= set(os.listdir(tmp_path))
    # A run writes the labels, too.
    (tmp_path / "export" / "labels.txt").write_text("".join(f"digit {i}\n" for i in range(10)))
    (tmp_path / "device.py").write_text(device)
    subprocess.run([sys.executable, "-m", "venv", "fresh"], check=True)
    python = str(tmp_path / "fresh" / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--quiet", "numpy", "ai-edge-litert"]
    subprocess.run(pip, check=True)
    listed = [python, "-m", "pip", "list", "--format=freeze"]
    names = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.lower()
    assert not re.search(r"^(tensorflow|keras|kegnet)", names, re.MULTILINE)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [python, "device.py"], check=True, capture_output=True, text=True, env=environment
    )
    assert re.fullmatch(r"\['digit \d', 'digit \d'\]\n", done.stdout)
