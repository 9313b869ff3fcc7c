import functools

from smallest import tiny_config, tiny_teacher

from kegnet_tf import runs
from kegnet_tf.experiments import ablation, cells, paper_tables


def test_line_that_changes_nothing_is_the_presets_job_and_the_others_have_folders(tmp_path):
    config = tiny_config(mode="quick,paper", num_generators=2)
    opened = functools.partial(runs.Run, teacher=tiny_teacher())
    job = cells.Job("mnist", opened(config, tmp_path))
    lines = dict(ablation.jobs(job, opened, ablation.LINES))
    assert {*lines} == {*ablation.LINES}
    same = {line for line, each in lines.items() if each is job}
    of_plus_alone = {"no jitter", "no features", "unbalanced", "last, better or not"}
    own = {"preset", "beta 0", "gamma 0", "uniform labels", "fresh stream"}
    assert same == own | of_plus_alone
    others = [each for line, each in lines.items() if line not in same]
    assert len({each.run.workdir for each in others}) == len(others)
    assert {each.origin for each in others} == {job.run}
    assert lines["SVD-only start"].run.config.students.student.start == "svd"
    assert lines["1 generator"].run.config.num_generators == 1
    assert "start" not in job.run.config.students.student


def row(line, last):
    figures = {"last": last, "agreement": 0.55, "oracle": 0.6, "compression_ratio": 3.6}
    return {"line": line, "dataset": "mnist", "name": "student1", "arm": "kegnet", **figures}


def test_lines_are_compared_with_the_preset_and_the_oracle_is_said_not_to_be_data_free():
    text = ablation.markdown(paper_tables.summarise([row("preset", 0.5), row("alpha 0", 0.4)]))
    assert "| oracle, not data-free " in text
    preset, other = (
        next(line for line in text.splitlines() if f"| {name} " in line)
        for name in ("preset", "alpha 0")
    )
    assert preset.split("|")[-2].strip() == ""
    assert other.split("|")[-2].strip() == "-10.00"
