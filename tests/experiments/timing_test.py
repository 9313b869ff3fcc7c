from kegnet_tf.experiments import timing


def clocked(*durations):
    """A clock, and for each sequence of durations a function that takes them in turn."""
    now = [0.0]

    def takes(seconds):
        each = iter(seconds)
        return lambda: now.__setitem__(0, now[0] + next(each))

    return lambda: now[0], [takes(seconds) for seconds in durations]


def test_compare_reports_medians_of_one_step_and_their_ratio():
    # The first call of each does not count; two steps in a call.
    clock, calls = clocked((9, 2, 8, 4), (9, 2, 2, 2))
    row = timing.compare("a", calls[0], "b", calls[1], steps=2, repeats=3, clock=clock)
    assert (row["milliseconds"], row["reference_milliseconds"]) == (2000, 1000)
    assert (row["ratio"], row["spread"]) == (2, [1, 4])
    assert (row["name"], row["reference"]) == ("a", "b")
    assert row["cores"] >= 1
    assert "tensorflow" in row["versions"]


def test_times_are_of_turns_after_the_first():
    clock, calls = clocked((9, 1, 2), (9, 5, 6))
    assert timing.turns(calls, repeats=2, clock=clock) == [[1, 5], [2, 6]]


def test_turns_end_after_three_or_once_they_took_long_enough():
    told = []
    for longest, counted in ((0.0, 3), (13.0, 4), (100.0, 6)):
        clock, calls = clocked([1] * 9, [2] * 9)
        turns = timing.turns(calls, 6, clock, longest, lambda done, metrics: told.append(done))
        assert len(turns) == counted + (longest == 13.0)  # 12 seconds are less, 15 no more
    assert told[-7:] == [*range(1, 8)]
