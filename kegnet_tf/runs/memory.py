"""What a run must hold in memory at once, refused where this machine never could."""

import contextlib
import ctypes
import gc
import math
import os
import pathlib
import threading
from collections.abc import Callable, Sequence

import ml_collections
import psutil

from kegnet_tf import extraction

FLOAT32 = 4  # bytes
_INTERVAL = 0.005  # seconds between two looks at what is held; ours
_SLACK = 2**24  # bytes by which the system's two counts of what is held may differ; ours


def check_memory(
    config: ml_collections.ConfigDict, input_shape: Sequence[int], num_classes: int
) -> None:
    """Refuses sizes that would end a run for want of memory, hours after it began.

    A run takes more than what is counted here, so that nothing is refused which could be done.

    Args:
        config: a preset whose settings are checked.
        input_shape: of the teacher's data, without the batch.
        num_classes: of the teacher.

    Raises:
        ValueError: naming the setting, and what it takes.
    """
    example = math.prod(input_shape) + num_classes
    generator = "generator" if len(input_shape) == 3 else "dense_generator"
    kernels, drawn = generator_sizes(config[generator], input_shape, num_classes)
    hidden = [config.decoder.units] * config.decoder.hidden_layers
    decoder = _products([math.prod(input_shape), *hidden, config[generator].latent_dim])
    for name, value, numbers in (
        ("held_out", config.held_out, example),
        ("save_synthetic", config.save_synthetic, example),
        ("synthetic_size", config.synthetic_size, example),
        ("calibration_size", config.export.calibration_size, example),
        ("batch_size", config.batch_size, example),
        ("num_generators", config.num_generators, kernels),
        # Of a weight that is trained there are the gradient and Adam's two moments as well.
        (generator, 4, kernels),
        ("decoder", 4, decoder),
        ("extraction.batch_size", config.extraction.batch_size, drawn),
    ):
        bytes_needed, found = FLOAT32 * value * numbers, total()
        if bytes_needed > found:
            given = config[name].to_dict() if name in (generator, "decoder") else value
            raise ValueError(
                f"`{name}` must fit into the {found / 2**30:.1f} GiB of memory of this machine. "
                f"Received: {given}, which takes {bytes_needed / 2**30:.1f} GiB."
            )


def total() -> float:
    """Bytes of memory that the machine has; infinity where it does not tell."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):
        return math.inf


def generator_sizes(
    settings: ml_collections.ConfigDict, input_shape: Sequence[int], num_classes: int
) -> tuple[int, int]:
    """How large a generator is; biases and BatchNorm, which are small, are left out.

    Args:
        settings: a preset's `generator` or `dense_generator`.
        input_shape: of the data, without the batch.
        num_classes: of the teacher.

    Returns:
        (numbers in its kernels, numbers that its layers make of one example).
    """
    widths = [num_classes + settings.latent_dim, *settings.units]
    if len(input_shape) == 1:
        widths += input_shape
        return _products(widths), sum(widths)
    doublings, channels = len(settings.filters), [*settings.filters, input_shape[2]]
    drawn = extraction.drawn_shape(input_shape, settings.resolution)
    smallest = math.prod(math.ceil(side / 2**doublings) for side in drawn)
    widths.append(smallest * channels[0])
    images = (smallest * 4**step * width for step, width in enumerate(channels))
    enlarged = math.prod(input_shape) * (drawn != tuple(input_shape[:2]))
    return _products(widths) + 16 * _products(channels), sum(widths) + sum(images) + enlarged


def _products(widths):
    """Sum of the products of neighbours."""
    return sum(one * other for one, other in zip(widths, widths[1:], strict=False))


def free() -> float:
    """Bytes that this process may hold in all, by what the machine and its group have free now."""
    found = held() + psutil.virtual_memory().available
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        path = pathlib.Path(name)
        text = path.read_text().strip() if path.is_file() else ""
        found = min(found, float(text) if text.isdigit() else math.inf)
    return found


def held() -> int:
    """Bytes that this process holds."""
    return psutil.Process().memory_info().rss


def peak_memory(call: Callable[[], object]) -> int:
    """Bytes that the process holds at most in a call, less those that it held before.

    Linux counts them; where it does not, or for another system, a thread looks every few moments.
    """
    gc.collect()
    with contextlib.suppress(AttributeError, OSError, TypeError):  # not of every C library
        ctypes.CDLL(None).malloc_trim(0)  # what was freed goes back, and does not count as held
    before = held()
    if _forgotten(before):
        call()
        return _most_held() - before
    return _most_seen(call) - before


def _forgotten(before):
    """Whether the system counts the most that is held from now on."""
    try:
        pathlib.Path("/proc/self/clear_refs").write_text("5")
        return _most_held() <= before + _SLACK
    except OSError:
        return False


def _most_held():
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    raise OSError("/proc/self/status must tell VmHWM.")


def _most_seen(call):
    """What the process holds at most in a call, as a thread sees it."""
    seen, over = [held()], threading.Event()

    def look():
        while not over.wait(_INTERVAL):
            seen.append(held())

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        call()
    finally:
        over.set()
        thread.join()
    return max(*seen, held())
