"""Checksums, by which files are known to be as they were written."""

import hashlib
import json
import os
import pathlib
from collections.abc import Mapping

_NAME = "sha256"


def fingerprint(path: str | os.PathLike) -> dict:
    """{"bytes", "sha256"} of a file."""
    with pathlib.Path(path).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"bytes": file.tell(), _NAME: digest}


def sealed(content: Mapping) -> dict:
    """What JSON gives back of some content, with the checksum of all the rest under "sha256"."""
    rest = json.loads(json.dumps({key: content[key] for key in content if key != _NAME}))
    digest = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
    return rest | {_NAME: digest}


def read_sealed(path: str | os.PathLike) -> dict:
    """A JSON file that `sealed` made.

    Raises:
        OSError: if there is no such file.
        ValueError: if it is not as it was written.
    """
    text = pathlib.Path(path).read_text()
    try:
        content = json.loads(text)
        if sealed(content)[_NAME] != content.get(_NAME):
            raise ValueError("its checksum is another")
    except (AttributeError, RecursionError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} is not as it was written ({reason}).") from error
    return content
