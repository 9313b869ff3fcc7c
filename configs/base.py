"""Every default, once. A section holds exactly the keyword arguments of one library function."""

from ml_collections import ConfigDict


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

    What a recipe sets holds for any teacher: it looks at no more than whether there is BatchNorm,
    and whether the teacher eats images.

    Args:
        mode: as in `parse`.
    """
    quick, paper = parse(mode)
    if paper:
        extraction_epochs, distillation_epochs = (6, 3) if quick else (40, 30)  # release: 200, 400
    else:
        extraction_epochs, distillation_epochs = (3, 2) if quick else (4, 8)
    config = ConfigDict()
    config.seed = 0
    config.teacher = ""  # name of the teacher that ships; a preset names it
    config.network = ""  # module and function of kegnet_tf.networks; a preset must name it
    config.loader = "images"  # module of kegnet_tf.datasets that reads `data`: images or tables
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
        {  # by name: kegnet_tf.compression.compress
            "student": {"target_ratio": 3.0}  # ours: about what the paper's ranks give on MNIST
        }
    )
    config.arms = ("tucker", "uniform", "gaussian", "kegnet") if paper else ("tucker", "kegnet+")
    config.source = config.arms[-1]  # of what is held out for selection and agreement, and saved
    config.num_generators = 2 if quick else 5  # paper: 5
    config.keep_unrecognised = False  # whether synthesis uses generators the teacher does not read
    config.image_interval = 500  # steps between a generator's pictures in TensorBoard; ours
    config.num_seeds = 1  # students for each arm; paper: 5

    config.training = ConfigDict(
        {  # kegnet_tf.teachers.train
            "epochs": 20,  # ours
            "batch_size": 256,  # ours
            "learning_rate": 1e-3,  # Keras' default for Adam, decayed to 0 by a cosine
            "weight_decay": 0.0,  # ours
            "flip": False,  # ours
            "shift": 0.0,  # ours
        }
    )
    config.generator = ConfigDict(
        {  # kegnet_tf.networks.generators.ImageGenerator
            "latent_dim": 10,  # paper
            "units": (256, 128),  # release
            "filters": (64, 16, 4),  # release
        }
    )
    config.dense_generator = ConfigDict(
        {  # kegnet_tf.networks.generators.DenseGenerator
            "latent_dim": 10,  # paper
            "units": (120, 120),  # release
        }
    )
    config.decoder = ConfigDict(
        {  # kegnet_tf.networks.decoder.Decoder
            "units": 120,  # release
            "hidden_layers": 1,  # paper, for MNIST
        }
    )
    config.extraction = ConfigDict(
        {  # kegnet_tf.extraction.extract
            "alpha": 1.0,  # paper
            "beta": 0.0,  # paper, for MNIST
            "gamma": 0.0 if paper else 100.0,  # ours, by eye on SVHN: 1 and 10 give textures
            "distance": "l1",  # release
            "jitter": 0 if paper else 3,  # ours, likewise: with it digits can be read
            "learning_rate": 1e-3 if paper else 3e-3,  # release, for MNIST; ours
            "batch_size": 256,  # release
            "epochs": extraction_epochs,
            "steps_per_epoch": 100,  # release
            "jit_compile": False,
        }
    )
    config.synthesis = ConfigDict(
        {  # kegnet_tf.synthesis.stream
            "labels": "uniform",  # paper
            "class_prior": (),  # all classes alike, as in the paper
            "batch_statistics": False,  # release
            "mixture": {"kegnet": 1.0, "procedural": 1.0},  # of kegnet+; ours
        }
    )
    config.batch_size = 128  # of distillation; ours (release: 64 at a tenth of the rate)
    # Examples of each generator, or of an arm's noise; 0 draws fresh ones for each step.
    config.synthetic_size = 0  # ours; release: 6,400
    config.held_out = 5000  # ours: as many as the paper's validation split
    config.save_synthetic = 0  # how many examples land in synthetic.npz
    config.distillation = ConfigDict(
        {  # kegnet_tf.distillation.distil
            "loss": "cross_entropy" if paper else "auto",  # paper; ours
            "temperature": 1.0,  # paper
            "batch_norm": "inference" if paper else "auto",  # ours
            "learning_rate": 1e-3,  # ours, on MNIST's validation split; decayed to 0 by a cosine
            "epochs": distillation_epochs,
            "steps_per_epoch": 200,
            "selection": "last",
            "jit_compile": False,
        }
    )
    config.distribution = ConfigDict(
        {  # kegnet_tf.distribution.copies, for generators and students
            "strategy": "",
            "mixed_precision": "",
        }
    )
    config.export = ConfigDict(
        {  # kegnet_tf.deployment.deploy
            "formats": (
                "litert_float32",
                "litert_float16",
                "litert_dynamic_range",
                "litert_int8",
                "litert_int8_integer_only",
            ),
            # Ours, on MNIST's validation split and a quick run's student2: int8 agrees with the
            # float student in 98.4 % after 20 examples, 98.6 % after 100 and 98.7 % after 500; in
            # 98.8 % after 500 real ones.
            "calibration_size": 500,
            # Ours, likewise: 90.1 % at 1, 98.7 % at 2 and at 3; on Fashion-MNIST's student1 97.8,
            # 97.7 and 96.6 %.
            "headroom": 2.0,
        }
    )
    return config


def get_table_config(mode, name, label_names, num_features, num_train, rank):
    """The defaults that the presets of the paper's tables share (its Table 2).

    Args:
        mode: as in `parse`.
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
    config.synthesis.batch_statistics = True  # ours, on Letter's validation split: 82.3, not 79.5 %
    config.batch_size = 64  # release
    config.extraction.learning_rate = 1e-3  # ours, as for MNIST
    if paper:
        config.synthetic_size = 6400  # release
    # Ours, on validation splits, 8,000 steps at 3e-3: without noise, with a tenth, with a quarter
    # PenDigits has 74.1, 74.9 and 73.5 %, Letter 81.9, 82.2 and 81.7 %.
    config.synthesis.mixture.update(kegnet=9.0, procedural=1.0)
    if not quick:
        config.num_seeds = 5  # paper
        config.extraction.epochs = 20  # ours, on validation splits, with the rates; release: 200
        config.distillation.epochs = 30 if paper else 40  # ours
    return config
