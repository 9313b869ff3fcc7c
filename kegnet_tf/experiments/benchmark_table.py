"""Rows of a benchmark as tables for people; JSON holds more of each."""

from collections.abc import Sequence

from kegnet_tf import runs

_WORDS = {
    "ratio": "its time over that of what stands beside it, in the same run: only this means "
    "something on another machine",
    "from, to": "the least and the largest ratio of two neighbouring calls",
    "memory": "most bytes of the first steps, in a process of its own, as Linux counts them; "
    "other systems do not count, and are looked at every few moments",
    "ms": "milliseconds of an example on one thread",
    "beaten": "another file is smaller, no slower and agrees as often",
}


def benchmark_table(rows: Sequence[dict]) -> str:
    """A table of rows that were measured in one run, and below it what its words mean.

    Args:
        rows: of `training_steps`, of `export_costs`, or one of `time_to_accuracy`.
    """
    if "minutes" in rows[0]:
        return "\n".join(
            f"{name.replace('_', ' ')}: {_said(value)}" for name, value in _told(rows[0])
        )
    table, words = _files(rows) if "path" in rows[0] else _steps(rows)
    where = f"{rows[0]['cores']} cores, tensorflow {rows[0]['versions']['tensorflow']}"
    lines = [f"- {word}: {_WORDS[word]}" for word in words]
    return f"{table}\n\n{runs.terminal.wrapped([*lines, f'- measured on {where}'])}"


def _steps(rows):
    headings = ["what", "ms a step", "beside", "its ms", "ratio", "from, to", "memory"]
    cells = [
        [
            row["name"],
            f"{row['milliseconds']:.3g}",
            row["reference"],
            f"{row['reference_milliseconds']:.3g}",
            f"{row['ratio']:.2f}",
            ", ".join(f"{end:.2f}" for end in row["spread"]),
            f"{row['memory'] / 2**20:,.0f} MiB" if row.get("memory") else "",
        ]
        for row in rows
    ]
    return runs.terminal.table(headings, cells, (0, 2)), ("ratio", "from, to", "memory")


def _files(rows):
    headings = ["file", "bytes", "ms", "ratio", "agreement", "accuracy", ""]
    cells = [
        [
            row["path"].removesuffix("_batch1.tflite"),
            f"{row['bytes']:,}",
            f"{row['milliseconds']:.3g}",
            f"{row['ratio']:.2f}",
            _percent(row["teacher_agreement"]),
            _percent(row["accuracy"]),
            "beaten" * bool(row["beaten_by"]),
        ]
        for row in rows
    ]
    return runs.terminal.table(headings, cells), ("ms", "ratio", "beaten")


def _told(row):
    return ((name, value) for name, value in row.items() if name not in ("name", "versions"))


def _said(value):
    return f"{value:.4g}" if isinstance(value, float) else "-" if value is None else value


def _percent(share):
    return "" if share is None else f"{share:.2%}"
