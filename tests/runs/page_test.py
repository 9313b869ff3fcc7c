import base64
import dataclasses
import html.parser
import re
import shutil
import subprocess

import numpy as np
import pytest
from smallest_runs import RECORD

from kegnet_tf import export, runs
from kegnet_tf.distillation import StudentResult, TeacherResult
from kegnet_tf.extraction import GeneratorResult
from kegnet_tf.runs import page
from kegnet_tf.runs.page import files
from kegnet_tf.runs.page.elements import text_of
from kegnet_tf.runs.page.plot import plot
from kegnet_tf.runs.pictures import tile

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>&amp;'
VOID = {"meta", "img", "br", "hr", "link", "input"}
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def file(path, size, agreement, **more):
    model, form = path.split("_", 1)
    known = {"model": model, "milliseconds": 0.5, "teacher_agreement": agreement}
    form = f"litert_{form.removesuffix('_batch1.tflite')}"
    return export.ExportedFile(form, 1, path, size, **{**known, **more})


THEIRS = [file("teacher_float32_batch1.tflite", 4000, 1.0, accuracy=0.91)]
OURS = [
    file("student_float32_batch1.tflite", 2000, 0.97, beaten_by="student_int8_batch1.tflite"),
    file("student_int8_batch1.tflite", 700, 0.98),
]
LAYER = {"name": "conv", "ranks": [None, 2], "parameters": [80, 40], "multiply_adds": [None, 9]}
LAYERS = {"student": {"layers": [{**LAYER, "error": 0.25, "note": ""}]}}
REPORT = runs.Report(
    dataset="digits",
    seed=3,
    versions={"keras": "3"},
    teacher=TeacherResult(parameters=80),
    students=[
        StudentResult(
            *(None, None, None, "student", "kegnet+"),
            **{"parameters": 40, "agreement": 0.97, "compression_ratio": 2.0, "loss": "logits"},
        )
    ],
    generators=[
        GeneratorResult(0, 1.0, 6, False, 1.0, [1.0], *[None] * 4),
    ],
    exports=OURS,
    rivals=THEIRS,
    recommendation=export.recommend([*THEIRS, *OURS], 0.05),
    label_names=["cat", "dog"],
)


@pytest.fixture
def folder(tmp_path):
    """A run's folder, as far as a page reads it."""
    (tmp_path / "export").mkdir()
    RECORD.write(tmp_path / "export")
    (tmp_path / "figures").mkdir()
    for name in ("averages", "generator-0", "own"):
        grid = np.full((1, 1, 8, 8, 3), 99, np.uint8)
        png(tile(grid), tmp_path / "figures" / f"{name}.png")
    runs.write_json(tmp_path / "compression.json", LAYERS)
    return tmp_path


def png(pixels, path):
    from matplotlib import image

    image.imsave(path, pixels)


class Reader(html.parser.HTMLParser):
    """Collects (tag, attributes) and text, and refuses what is not closed in its order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_page_is_well_formed_and_loads_nothing(folder):
    text = page.html(REPORT, folder)
    reader = Reader(text)
    assert text.startswith("<!DOCTYPE html>\n<html")
    assert not {tag for tag, _ in reader.tags} & {"script", "link", "iframe", "object", "base"}
    for _, attributes in reader.tags:
        assert "href" not in attributes
        assert attributes.get("src", "data:image/png;base64,").startswith("data:image/png;base64,")
        assert not [name for name in attributes if name.startswith("on")]
    assert not re.search(r"url\(|@import|https?:", text)


def test_pictures_are_inside_with_their_names(folder):
    reader = Reader(page.html(REPORT, folder))
    images = [attributes for tag, attributes in reader.tags if tag == "img"]
    assert [each["alt"].partition(":")[0] for each in images] == [
        "Averages",
        "Own",
        "Many z, generator 0",
    ]
    inside = base64.b64decode(images[0]["src"].partition(",")[2])
    assert inside == (folder / "figures" / "averages.png").read_bytes()


def test_curve_stands_in_a_part_of_its_own_where_there_is_one(folder):
    assert "How small it can get" not in page.html(REPORT, folder)
    png(np.zeros((2, 2, 3), np.uint8), folder / "figures" / "curve.png")
    assert page.html(REPORT, folder).count("How small it can get") == 1
    assert len(re.findall("<img", page.html(REPORT, folder))) == 4


def test_names_from_outside_are_text_and_nothing_else(folder):
    runs.write_json(folder / "compression.json", {HOSTILE: LAYERS["student"]})
    (layer,) = LAYERS["student"]["layers"]
    layers = {"student": {"layers": [{**layer, "name": HOSTILE, "note": HOSTILE}]}}
    plain = Reader(page.html(REPORT, folder))
    runs.write_json(folder / "compression.json", layers)
    hostile = dataclasses.replace(
        REPORT, dataset=HOSTILE, label_names=[HOSTILE, "dog"], unlabeled=HOSTILE
    )
    text = page.html(hostile, folder)
    reader = Reader(text)
    assert "script" not in {tag for tag, _ in reader.tags}
    assert len(reader.tags) == len(plain.tags)
    assert "<script" not in text
    shown = " ".join(reader.texts)
    assert shown.count(HOSTILE) >= 5  # title, heading, sentence, class, layer, note


def test_recommended_file_comes_first_and_every_file_has_a_row(folder):
    reader = Reader(page.html(REPORT, folder))
    shown = [text for text in reader.texts if text.strip()]
    assert "Take this file" in shown[:5]
    first = shown[shown.index("Take this file") + 1]
    assert first == "export/student_int8_batch1.tflite"
    for row in (*THEIRS, *OURS):
        assert any(row.path in text for text in shown)
    assert "recommended" in shown
    assert "beaten by student, int8, floats in and out" in shown
    assert shown.index("The files") < shown.index("The students") < shown.index("Layer by layer")


def test_drawing_has_a_dot_a_file_and_a_ring_round_the_recommended_one(folder):
    tags = Reader(page.html(REPORT, folder)).tags
    kinds = [attributes.get("class") for _, attributes in tags]
    assert [kinds.count(kind) for kind in ("plot", "theirs", "ours", "ring", "front")] == [
        *(2, 2, 4, 2, 2)
    ]
    for _, attributes in tags:
        if attributes.get("class") in ("ours", "ring"):
            assert 58 <= float(attributes["cx"]) <= 446
            assert 14 <= float(attributes["cy"]) <= 236


def test_axes_have_round_numbers_between_the_least_and_the_most():
    def ticks(*bytes_and_agreement):
        rows = [file(f"student_{n}", n, share) for n, share in bytes_and_agreement]
        svg = text_of(plot(rows, REPORT.recommendation, "bytes", "bytes"))
        return [text for text in re.findall(r"<text.*?>(.*?)</text>", svg) if text != "bytes"]

    assert ticks((900, 1.0), (9000, 0.9)) == [
        *("1,000", "2,000", "5,000"),
        *("90%", "92%", "94%", "96%", "98%", "100%"),
    ]
    assert ticks((1100, 1.0), (1900, 0.999)) == [
        *("1,200", "1,400", "1,600", "1,800", "99.9%", "99.92%", "99.94%", "99.96%", "99.98%"),
        "100%",
    ]
    assert ticks((700, 1.0)) == ["700", "100%"]


def test_heading_that_needs_it_is_explained_where_it_stands(folder):
    text = page.html(REPORT, folder)
    for section in re.findall(r"<section>.*?</section>", text, re.DOTALL):
        if "<table" in section:
            assert '<dl class="words">' in section


def test_tensors_that_int8_keeps_stand_with_the_worst_first(folder):
    heading = "What rounding to int8 costs, tensor by tensor"
    assert heading not in page.html(REPORT, folder)
    row = {"tensor": "<conv>", "decibels": 17.04, "cut": 0.0125, "low": -1.5, "high": 2.0}
    rows = [row, {**row, "tensor": "dead", "decibels": None}]
    dataclasses.replace(RECORD, integers={"roundings": rows}).write(folder / "export")
    texts = Reader(page.html(REPORT, folder)).texts
    assert heading in texts
    place = texts.index("<conv>")
    assert texts[place : place + 5] == ["<conv>", "17.0 dB", "1.25%", "-1.5", "2"]
    assert texts[place + 5] == "dead"


def test_page_of_a_run_without_files_or_students_keeps_the_rest(tmp_path):
    bare = dataclasses.replace(
        REPORT, students=[], exports=[], rivals=[], recommendation=None, label_names=[]
    )
    shown = Reader(page.html(bare, tmp_path)).texts
    assert "Take this file" not in shown
    assert "Where the artificial data come from" in shown


@pytest.mark.parametrize("integers", [False, True])
def test_snippet_is_python_that_names_the_file(integers):
    name = f"student_int8{'_integer_only' * integers}_batch1.tflite"
    source = snippet(name)
    compile(source, "snippet", "exec")
    assert f'"export/{name}"' in source
    assert "np.zeros((1, 8, 8, 1), np.float32)" in source
    assert ("quantization" in source) == integers


def snippet(name, **fields):
    """The snippet of a file."""
    row = export.ExportedFile("litert_int8", 1, name, 8, **fields)
    advice = export.Recommendation(name, "student", "", "")
    report = dataclasses.replace(REPORT, exports=[row], recommendation=advice)
    return files.snippet(report, (8, 8, 1))


def test_snippet_runs_a_file_as_it_was_fastest_and_standardises_where_it_must():
    name = "student_int8_integer_only_batch1.tflite"
    plain = snippet(name, xnnpack=True, threads=1)
    assert not any(word in plain for word in ("OpResolverType", "num_threads", "std"))
    source = snippet(name, xnnpack=False, threads=4, standardise=True)
    compile(source, "snippet", "exec")
    assert "import Interpreter, OpResolverType" in source
    assert "experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT" in source
    assert "num_threads=4" in source
    assert source.index("x = (x - mean) / std") < source.index("q = np.clip")


def test_pages_text_is_kept_with_the_report(folder):
    REPORT.write(folder)
    assert (folder / "report.html").read_text() == page.html(REPORT, folder)
    assert "report.html" in runs.read_json(folder / "manifest.json")["files"]


@pytest.mark.slow
def test_page_fits_desktop_and_phone_and_follows_light_and_dark(folder):
    if not CHROMIUM:
        pytest.skip("there is no Chromium to look at the page with")
    probe = (
        "<script>document.title = JSON.stringify([document.documentElement.scrollWidth, "
        "window.innerWidth, getComputedStyle(document.body).backgroundColor, "
        "[...document.images].every(i => i.naturalWidth > 0)])</script></body>"
    )
    text = page.html(REPORT, folder)
    (folder / "probe.html").write_text(text.replace("</body>", probe))
    grounds = set()
    for width in (390, 1280):
        for dark in ([], ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"]):
            options = ["--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},900"]
            command = [CHROMIUM, *options, *dark, "--dump-dom", f"file://{folder}/probe.html"]
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
            found = re.search(r"<title>\[(\d+),(\d+),\"(.*?)\",(\w+)\]", done.stdout)
            content, window, ground, drawn = found.groups()
            assert int(content) <= int(window)
            assert drawn == "true"
            grounds.add((bool(dark), ground))
    assert len(grounds) == 2
    assert len({ground for _, ground in grounds}) == 2
