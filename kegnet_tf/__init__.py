"""Data-free knowledge distillation for Keras: from a trained classifier to a student on a device.

`import kegnet_tf as kegnet` gives the names below, each loaded when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "compression": ["compress", "load_student"],
        "distillation": ["DistillationSettings", "distil"],
        "export": ["export_model"],
        "extraction": [
            "Decoder",
            "DenseGenerator",
            "ExtractionSettings",
            "ImageGenerator",
            "extract",
        ],
        "runs": ["Run", "evaluate"],
        "runs.job": ["run"],
        "synthesis": ["Source"],
        "teachers": ["load_teacher", "pretrained"],
    },
)
