import pytest
from smallest import tiny_config, tiny_teacher

from kegnet_tf.configs import fashion, mnist
from kegnet_tf.experiments import ReproduceSettings, reproduce
from kegnet_tf.runs import DataOptions


def test_authors_budget_and_overrides_reach_a_preset():
    settings = ReproduceSettings(authors=True, overrides={"extraction.epochs": 3})
    config = settings.configured("fashion", fashion.get_config)
    assert config.extraction.epochs == 3
    assert (config.extraction.beta, config.synthetic_size) == (10.0, 6400)
    assert config.arms == ("tucker", "uniform", "gaussian", "kegnet")


def test_arms_are_those_asked_for_the_presets_own_or_the_last_of_them_in_an_ablation():
    for settings, arms in (
        (ReproduceSettings(quick=True), ("tucker", "kegnet+")),
        (ReproduceSettings(quick=True, ablation=True), ("kegnet+",)),
        (ReproduceSettings(quick=True, arms=["real"]), ("real",)),
    ):
        assert settings.configured("mnist", mnist.get_config).arms == arms


def test_table_stands_for_its_data_sets():
    assert ReproduceSettings(table=2).datasets == ("shuttle", "pendigits", "letter")
    assert ReproduceSettings(table=2, dataset="letter").datasets == ["letter"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "`table` must be 2 or 3, or `dataset`"),
        ({"table": 4}, "`table` must be 2 or 3. Received: 4"),
        (
            {"table": 2, "dataset": "mnist"},
            "`dataset` must be among shuttle, pendigits, letter. Received: 'mnist'",
        ),
        ({"dataset": "cifar"}, "`dataset` must be among .*'cifar'"),
    ],
)
def test_unknown_data_set_is_told(settings, message):
    with pytest.raises(ValueError, match=message):
        ReproduceSettings(**settings).datasets  # noqa: B018 (raises)


@pytest.mark.parametrize(
    ("settings", "eval_data", "message"),
    [
        ({"teacher": "own.keras", "table": 2}, "", "`teacher` must come with `dataset`"),
        ({"table": 2}, "test.npz", "`eval_data` must come with `dataset`"),
        ({"seeds": 0}, "", "`seeds` must be 1 or more. Received: 0"),
        ({"seeds": 2.0}, "", "`seeds` must be a whole number. Received: 2.0"),
        ({"recipe": "best"}, "", "`recipe` must be one of plus, paper. Received: 'best'"),
        ({"arms": ("kegnet", "kegnet")}, "", "`arms` must hold no word twice"),
        ({"arms": "kegnet"}, "", "`arms` must be a sequence. Received: 'kegnet'"),
        ({"arms": ("noise",)}, "", "`arms` must be among tucker, .*, real. Received: 'noise'"),
        ({"quick": "no"}, "", "`quick` must be true or false. Received: 'no'"),
        ({"overrides": ("a", 1)}, "", "`overrides` must have keys"),
        ({"quick": True, "authors": True}, "", "`paper` must come without `quick`"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, eval_data, message):
    with pytest.raises(ValueError, match=message):
        ReproduceSettings(**settings).check(DataOptions(eval_data))


def test_override_of_a_key_that_no_preset_has_is_refused():
    settings = ReproduceSettings(overrides={"extraction.bta": 1})
    with pytest.raises(ValueError, match="`config` must be overridden by .*bta"):
        settings.configured("mnist", lambda mode: tiny_config(mode=mode))


def test_ceiling_alone_is_an_arm_to_reproduce(tmp_path):
    tiny_teacher().save(tmp_path / "teacher.keras")
    given = {"dataset": "mnist", "teacher": tmp_path / "teacher.keras", "arms": ("real",)}
    with pytest.raises(ValueError, match="`eval_data` must be .*absent.npz"):  # not: `arms`
        reproduce(
            tmp_path / "tables",
            ReproduceSettings(**given),
            data=DataOptions(eval_data="absent.npz"),
            presets={"mnist": lambda mode: tiny_config(mode=mode)},
        )


def test_tables_take_no_pictures_to_learn_from():
    with pytest.raises(ValueError, match="`unlabeled` must be empty: .* Received: 'photos'"):
        ReproduceSettings(table=3).check(DataOptions(unlabeled="photos"))
