"""The documents: their Python runs, links lead somewhere, commands have the flags they are given.

A page's Python is run as a reader would: pasted into a file, in an empty folder.
"""

import ast
import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "exported" / "README.md"])
BINARIES = sorted((ROOT / "bin").glob("kegnet*"))
ABSL = {"help", "helpfull", "verbosity"}


def name(path):
    return str(path.relative_to(ROOT))


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def prose(page):
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def for_device(block):
    return "ai_edge_litert" in block


def defined_flags(path):
    """Names of the absl flags that a file defines."""
    calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    return {
        call.args[0].value
        for call in calls
        if getattr(call.func, "attr", "").startswith("DEFINE_")
        and isinstance(call.args[0], ast.Constant)
    }


def flags_of(binary):
    return defined_flags(binary) | defined_flags(ROOT / "kegnet_tf/runs/flags.py") | ABSL


def commands(page):
    """(binary, flags) of every command that a page names, and ("", flag) of flags by themselves."""
    texts = [line for block in blocks(page, "bash") for line in re.split(r"\n|&&", block)]
    texts += [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(page))]
    for text in texts:
        given = re.findall(r"(?<!\S)--([a-z][\w.]*)", text.split("#")[0])
        command = re.match(r"\s*(kegnet(?:-[a-z]+)?)(?:\s|$)", text)
        if command or text.startswith("--"):
            yield command.group(1) if command else "", given


def test_readme_is_a_front_page():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_to_files_and_headings_that_exist(page):
    for target, _, heading in re.findall(r"\]\(([^)\s#]*)(#([^)\s]*))?\)", prose(page)):
        if target.startswith(("http:", "https:")):
            continue
        found = (page.parent / target) if target else page
        assert found.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.*)$", prose(found), re.MULTILINE)
            slugs = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]
            assert heading in slugs, f"{target}#{heading}"


def test_method_names_every_module_of_every_room():
    (section,) = re.findall(
        r"^## Where to find what\n(.*?)^## ", (ROOT / "docs/method.md").read_text(), re.M | re.S
    )
    rows = dict(re.findall(r"^\| `(\w+)/` \|(.*)$", section, re.MULTILINE))
    folders = [path for path in (ROOT / "kegnet_tf").iterdir() if (path / "__init__.py").exists()]
    assert {*rows, "datasets"} == {path.name for path in folders}
    for room, row in rows.items():
        there = {path.stem for path in (ROOT / "kegnet_tf" / room).iterdir() if path.stem[0] != "_"}
        assert {*re.findall(r"`(\w+)(?:\.py|/)`", row)} == there, room


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_have_the_flags_that_documents_give_them(page):
    from kegnet_tf.configs import base

    known = {binary.name: flags_of(binary) for binary in BINARIES}
    known[""] = set().union(*known.values())
    settings = base.get_config()
    for command, given in commands(page):
        assert command in known, command
        for flag in given:
            section, _, key = flag.partition(".")
            if section == "config":
                value = settings
                for part in filter(None, key.split(".")):
                    assert part in value or "students" in key, f"{command} --{flag}"
                    value = value.get(part, {})
            else:
                assert {flag, flag.removeprefix("no")} & known[command], f"{command} --{flag}"


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if any(blocks(page, "python"))], ids=name)
def test_python_of_a_page_runs_as_pasted(page, tmp_path):
    pasted = [block for block in blocks(page, "python") if not for_device(block)]
    (tmp_path / "page.py").write_text("\n".join(pasted))
    run(sys.executable, "page.py", cwd=tmp_path)
    on_device = [block for block in blocks(page, "python") if for_device(block)]
    if on_device:
        python = fresh_python(tmp_path / "fresh")
        for block in on_device:
            assert len(block.strip().splitlines()) <= 10
            (tmp_path / "device.py").write_text(block)
            printed = run(python, "device.py", cwd=tmp_path)
            assert re.fullmatch(r"\['\d', '\d'\]\n", printed)


def fresh_python(folder):
    """Interpreter of a new environment that has numpy and ai-edge-litert, and no TensorFlow."""
    run(sys.executable, "-m", "venv", str(folder))
    python = str(folder / "bin" / "python")
    run(python, "-m", "pip", "install", "--quiet", "numpy", "ai-edge-litert")
    listed = run(python, "-m", "pip", "list", "--format=freeze").lower()
    assert not re.search(r"^(tensorflow|keras|kegnet)", listed, re.MULTILINE)
    return python


def run(*command, cwd=None):
    """What a command prints; its notes are shown where it fails."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
