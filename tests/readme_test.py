import os
import pathlib
import re

import pytest

README = pathlib.Path(__file__).parents[1] / "README.md"


@pytest.mark.slow
def test_python_of_the_readme_runs_and_what_it_exports_is_deployed_as_told(
    tmp_path, monkeypatch, capsys
):
    library, device = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(library, "README.md", "exec"), {})
    capsys.readouterr()
    exec(compile(device, "README.md", "exec"), {})
    assert int(capsys.readouterr().out.split()[-1]) in range(10)
    assert {"student.keras", "export"} <= set(os.listdir(tmp_path))
