"""Packages are found; `configs/` stands at the top of the tree and is installed as a package."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["kegnet_tf", "kegnet_tf.*"]), "kegnet_tf.configs"],
    package_dir={"kegnet_tf.configs": "configs"},
)
