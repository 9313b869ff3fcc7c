"""Every default, once, with its source; docs/method.md tells what was tried.

A section holds exactly the keyword arguments of one library function or the fields of one settings
class, named beside it, which checks them; kegnet_tf/runs/settings.py checks the other keys. "paper"
is KegNet (Yoo et al., NeurIPS 2019), "release" its authors' code.
"""

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder


def parse(mode):
    """What a preset is asked for, by words that commas divide.

    Args:
        mode: "quick" to see every stage once in a few minutes, in place of the full budget;
            "paper" for the paper's recipe in place of kegnet+; both, or "" for neither.

    Returns:
        (quick, paper): whether each is among them.

    Raises:
        ValueError: if another word is.
    """
    words = {*filter(None, mode.split(","))}
    if not words <= {"quick", "paper"}:
        raise ValueError(f"`mode` must be made of 'quick' and 'paper'. Received: {mode!r}.")
    return "quick" in words, "paper" in words


def get_config(mode=""):
    """The defaults that all presets share.

    What a recipe sets holds for any teacher: it looks at no more than whether there is BatchNorm or
    dropout, and whether the teacher expects images.

    Args:
        mode: words for `parse`.
    """
    quick, paper = parse(mode)
    if paper:
        extraction_epochs, distillation_epochs = (12, 5) if quick else (40, 30)  # release: 200, 400
    else:
        extraction_epochs, distillation_epochs = (6, 5) if quick else (4, 8)
    config = ConfigDict()
    config.seed = 0
    config.teacher = ""  # name of the teacher that ships; a preset names it
    config.network = ""  # key of kegnet_tf.teachers.networks.NETWORKS; a preset must name it
    config.loader = "images"  # what reads `data`: "images" or "tables" of kegnet_tf.datasets
    config.data = ConfigDict(
        {  # kegnet_tf.datasets.images.ImageDataset; empty where only the teacher is known
            "name": "",
            "image_shape": (),
            "label_names": (),
            "mean": (),
            "std": (),
            "splits": {},
        }
    )
    config.students = ConfigDict(
        {  # by name: kegnet_tf.compression.Policy, and max_loss
            "student": {  # one of these; without, the teacher's curve chooses its ratio
                name: placeholder(float)
                for name in ("target_ratio", "target_macs", "target_kb", "target_latency")
                + ("max_loss",)
            }
        }
    )
    config.arms = ("tucker", "uniform", "gaussian", "kegnet") if paper else ("tucker", "kegnet+")
    config.source = config.arms[-1]  # of what is held out for selection and agreement, and saved
    config.num_generators = 2 if quick else 5  # paper: 5
    config.keep_unrecognised = False  # whether generators below the recognition bar take part
    config.image_interval = 50 if quick else 500  # steps between pictures in TensorBoard; ours
    config.num_seeds = 1  # students for each arm; paper: 5

    config.training = ConfigDict(
        {  # kegnet_tf.teachers.train
            "epochs": 20,  # ours
            "batch_size": 256,  # ours
            "learning_rate": 1e-3,  # Keras' default for Adam, decayed to 0 by a cosine
            "weight_decay": 0.0,  # ours
            "flip": False,  # ours
            "shift": 0.0,  # ours
            "mixed_precision": "",
        }
    )
    config.generator = ConfigDict(
        {  # kegnet_tf.extraction.ImageGenerator
            "latent_dim": 10,  # paper
            "units": (256, 128),  # release
            "filters": (64, 16, 4),  # release
            "resolution": 64,  # ours: no picture of the paper is larger
        }
    )
    config.dense_generator = ConfigDict(
        {  # kegnet_tf.extraction.DenseGenerator
            "latent_dim": 10,  # paper
            "units": (120, 120),  # release
        }
    )
    config.decoder = ConfigDict(
        {  # kegnet_tf.extraction.Decoder
            "units": 120,  # release
            "hidden_layers": 1,  # paper, for MNIST
        }
    )
    config.extraction = ConfigDict(
        {  # kegnet_tf.extraction.ExtractionSettings
            "alpha": 1.0,  # paper
            "beta": 0.0,  # paper, for MNIST
            "gamma": 0.0 if paper else 100.0,  # ours
            "distance": "l1",  # release
            "jitter": 0 if paper else 3,  # ours
            "dropout": (),  # release, whose teacher stays in training mode: the teacher's own
            "learning_rate": 1e-3 if paper else 3e-3,  # release, for MNIST; ours
            "batch_size": 256,  # release
            "epochs": extraction_epochs,
            "steps_per_epoch": 50 if quick else 100,  # for curves of five points; release
            "jit_compile": False,
        }
    )
    config.synthesis = ConfigDict(
        {  # kegnet_tf.synthesis.Source
            "labels": "uniform",  # paper
            "class_prior": (),  # all classes alike, as in the paper
            "batch_statistics": False,  # release
            "balanced": not paper,  # ours; release
            # Of kegnet+; ours. The last one only where a user gives such pictures.
            "mixture": {"kegnet": 1.0, "procedural": 1.0, "unlabeled": 1.0},
        }
    )
    config.batch_size = 128  # of distillation; ours (release: 64)
    # Examples of each generator, or of an arm's noise; 0 draws fresh ones for each step.
    config.synthetic_size = 0  # ours; release: 6,400
    config.held_out = 5000  # ours: as many as the paper's validation split
    config.save_synthetic = 0  # how many examples land in synthetic.npz
    config.distillation = ConfigDict(
        {  # kegnet_tf.distillation.DistillationSettings
            "loss": "cross_entropy" if paper else "auto",  # paper; ours
            "temperature": 1.0,  # paper
            "batch_norm": "inference" if paper else "auto",  # ours
            "features": "off" if paper else "auto",  # ours
            "feature_weight": 10.0,  # ours
            "learning_rate": 1e-3,  # ours; decayed to 0 by a cosine
            "epochs": distillation_epochs,
            "steps_per_epoch": (120 if paper else 80) if quick else 200,
            "selection": "last" if paper else "better",  # paper: best on real data; ours
            "jit_compile": False,
        }
    )
    config.devices = ConfigDict(
        {  # kegnet_tf.extraction.Devices, for generators and students
            "strategy": "",
            "mixed_precision": "",
        }
    )
    config.export = ConfigDict(
        {  # kegnet_tf.runs.Run.export
            "formats": (
                "litert_float32",
                "litert_float16",
                "litert_dynamic_range",
                "litert_int8",
                "litert_int8_integer_only",
            ),
            "calibration_size": 500,  # ours
            "headroom": 2.0,  # ours
            "tolerance": 0.05,  # ours: what int8 alone costs on artificial data
            # Whether int8 is trained: where rounding costs something and training heals some of it.
            "qat": "auto",
            "qat_steps": 200 if quick else 400,  # ours
            "qat_learning_rate": 1e-3,  # ours, on held-out artificial data
        }
    )
    return config


def get_table_config(mode, name, label_names, num_features, num_train, rank):
    """The defaults that the presets of the paper's tables share (its Table 2).

    Args:
        mode: words for `parse`.
        name: of the data set and of the teacher that ships.
        label_names: of the classes.
        num_features: how many features the table has.
        num_train: rows of the training split; the others of TFDS's are the validation split.
        rank: of the hidden layers of the student.
    """
    quick, paper = parse(mode)
    config = get_config(mode)
    config.teacher = name
    config.network = "mlp"
    config.loader = "tables"
    config.data = ConfigDict(
        {  # kegnet_tf.datasets.tables.TableDataset
            "name": name,
            "num_features": num_features,
            "label_names": tuple(label_names),
            "splits": {
                "train": f"train[:{num_train}]",
                "valid": f"train[{num_train}:]",
                "test": "test",
            },
        }
    )
    # The input and the output keep their widths, as the paper's ratios tell.
    ranks = {f"fc{number}": (rank, rank) for number in range(2, 12)}
    ranks |= {"fc1": (num_features, rank), "fc12": (rank, len(label_names))}
    config.students = ConfigDict({"student": {"ranks": ranks}})
    config.decoder.hidden_layers = 2  # paper
    config.extraction.jit_compile = True  # ours, by kegnet-benchmark
    config.synthesis.batch_statistics = True  # ours
    config.extraction.learning_rate = 1e-3  # ours
    config.export.headroom = 1.0  # ours: what their mixture holds reaches far enough
    config.batch_size = 64 if paper else 128  # release; ours
    config.synthetic_size = 6400  # release
    config.synthesis.mixture.update(kegnet=9.0, procedural=1.0)  # ours, on validation splits
    if not quick:
        config.num_seeds = 5  # paper
        config.extraction.epochs = 20  # ours, on validation splits; release: 200
        config.distillation.epochs = 30 if paper else 100  # ours
        config.synthetic_size = 6400 if paper else 50000  # release; ours
    return config
