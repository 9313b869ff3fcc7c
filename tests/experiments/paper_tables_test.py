import matplotlib.image
import pytest

from kegnet_tf import runs
from kegnet_tf.experiments import paper_tables


def cell(name="student1", arm="kegnet", dataset="mnist", last=0.5, oracle=0.6, **more):
    figures = {"last": last, "agreement": 0.55, "oracle": oracle}
    return {"dataset": dataset, "name": name, "arm": arm, "compression_ratio": 3.6} | figures | more


def test_summary_has_means_deviations_and_differences_in_percent():
    # Mean 96, sample deviation of 95 and 97 is the root of 2; the paper prints 96.32.
    cells = [cell(last=0.95, oracle=0.97), cell(last=0.97, oracle=0.97)]
    (row,) = paper_tables.summarise(cells)
    assert row["count"] == 2
    assert row["last"] == pytest.approx((96, 2**0.5))
    assert row["oracle"] == pytest.approx((97, 0))
    assert row["paper"] == (96.32, 0.05)
    assert (row["compression_ratio"], row["paper_ratio"]) == (3.6, 3.62)
    assert row["last_difference"] == pytest.approx(-0.32)
    assert row["oracle_difference"] == pytest.approx(0.68)


def test_one_student_has_no_deviation_and_what_is_unknown_stays_so():
    (row,) = paper_tables.summarise([cell(dataset="fashion", arm="uniform", oracle=None)])
    assert row["last"] == (50, None)
    assert row["oracle"] == row["paper"] == (None, None)
    assert row["last_difference"] is row["oracle_difference"] is None
    *_, line = paper_tables.markdown(content([row], "fashion")).strip().splitlines()
    values = [value.strip() for value in line.strip("|").split("|")]
    assert values == ["student1", "uniform", "1", "3.60", "1.40", "50.00", "55.00", *[""] * 4]


def content(summary, *names):
    datasets = {name: {"accuracy": 0.99, "paper": 98.9, "seconds": 120} for name in names}
    return {"datasets": datasets, "summary": summary}


def test_arms_stand_in_the_order_of_the_table_below_their_student():
    names = [("student2", "kegnet+"), ("student1", "kegnet"), ("student1", "tucker")]
    rows = paper_tables.summarise([cell(*name) for name in names])
    found = [(row["name"], row["arm"]) for row in rows]
    assert found == [("student1", "tucker"), ("student1", "kegnet"), ("student2", "kegnet+")]


def test_table_says_that_the_oracle_is_not_data_free_and_heads_what_the_paper_prints():
    text = paper_tables.markdown(content(paper_tables.summarise([cell()]), "mnist"))
    heading = next(line for line in text.splitlines() if line.startswith("| student"))
    assert [name.strip() for name in heading.strip("|").split("|")] == [
        *("student", "arm", "n", "ratio", "paper ratio"),
        *("last", "by agreement", "oracle, not data-free"),
        *("paper", "last less paper", "oracle less paper"),
    ]


def test_table_holds_the_papers_numbers_and_the_time():
    rows = paper_tables.summarise([cell(last=0.95), cell(last=0.97)])
    text = paper_tables.markdown(content(rows, "mnist"))
    assert "Teacher 99.00 (paper: 98.90); generators and students trained for 2 minutes." in text
    assert "96.00 ± 1.41" in text
    assert "96.32 ± 0.05" in text
    assert "-0.32" in text


def test_picture_has_a_panel_for_each_student(tmp_path):
    rows = paper_tables.summarise(
        [cell("student1"), cell("student2", oracle=None), cell("student", dataset="letter")]
        + [cell("student", "uniform", "letter")]
    )
    panels = paper_tables.panels(rows)
    assert {title: [*arms] for title, arms in panels.items()} == {
        "mnist, student1": ["kegnet"],
        "mnist, student2": ["kegnet"],
        "letter": ["uniform", "kegnet"],
    }
    assert panels["mnist, student1"]["kegnet"]["paper"] == (96.32, 0.05)
    runs.comparison(panels, tmp_path / "results.png")
    height, width, _ = matplotlib.image.imread(tmp_path / "results.png").shape
    assert width > 3 * height  # three beside each other
