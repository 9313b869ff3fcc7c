"""One run in one folder: its stages, its files, its report, and the flags that start it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "claiming",
        "export_folder",
        "flags",
        "manifest",
        "progress",
        "records",
        "terminal",
    ],
    submod_attrs={
        "each_student": ["deploy_student", "place_of_student"],
        "evaluation": ["evaluate", "evaluate_file"],
        "generators": ["borrow_generators"],
        "lock": ["held"],
        "memory": ["peak_memory"],
        "pictures": ["comparison", "frontier_chart"],
        "planning": ["carry_out"],
        "processes": ["apart"],
        "real_data": ["DataOptions", "RealData"],
        "report": ["Report", "versions"],
        "rival": ["teacher_files"],
        "run": ["Run"],
        "setup": ["Setup"],
        "teacher_training": ["build_network", "train_teacher"],
        "workdir": ["check_new", "read_curves", "read_json", "whole", "write_json"],
    },
)
