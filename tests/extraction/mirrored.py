"""A process of its own for `devices_test`: it splits the CPU in two before TensorFlow starts.

Trains 20 steps of a generator and of two students, one of them with the features of its teacher.
Prints as JSON by how much at most the weights differ between one device and two, in float32 and in
float16, and whether the teacher stayed as it was.
"""

import json

import keras
import numpy as np
import tensorflow as tf

(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from smallest import tiny_decoder, tiny_generator, tiny_teacher  # noqa: E402

from kegnet_tf import compression, distillation, extraction, synthesis  # noqa: E402
from kegnet_tf.experiments.accuracy_curves import AccuracyCurves  # noqa: E402

STEPS = {"epochs": 2, "steps_per_epoch": 10}


def fresh_student():
    """A student without a bias before BatchNorm, which would take it away again.

    Such a bias has no gradient but rounding, and Adam makes full steps of that.
    """
    keras.utils.set_random_seed(1)
    inputs = x = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(4, 3, use_bias=False)(x)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(x)))


def train(**choices):
    devices = extraction.Devices(**choices)
    teacher, generator, decoder = tiny_teacher(), tiny_generator(), tiny_decoder()
    before = teacher.get_weights()
    settings = extraction.ExtractionSettings(
        beta=1.0, gamma=1.0, dropout=(0.3,), batch_size=16, **STEPS
    )
    extraction.extract(
        teacher, [generator], [decoder], settings, seeds=[0], devices=devices, verbose=0
    )
    unchanged = all(map(np.array_equal, before, teacher.get_weights()))
    source = synthesis.Source(teacher, "kegnet", [tiny_generator()])
    held_out = source.sample(30, seed=1)
    student = fresh_student()
    curve = AccuracyCurves((held_out[0], held_out[1].argmax(axis=1)))
    distillation.distil(
        student,
        source.stream(16, seed=0),
        held_out,
        distillation.DistillationSettings(
            loss="logits", batch_norm="training", learning_rate=1e-3, **STEPS
        ),
        devices=devices,
        callbacks=[curve],
        verbose=0,
    )
    # At the start of a decomposition, features have no gradient but rounding in its core.
    hinted = compression.compress(teacher, 0.5, start="random")
    distillation.distil(
        hinted,
        source.stream(16, seed=0),
        held_out,
        distillation.DistillationSettings(features="on", learning_rate=1e-3, **STEPS),
        teacher=teacher,
        devices=devices,
        verbose=0,
    )
    extracted = generator.get_weights() + decoder.get_weights()
    students = student.get_weights() + hinted.get_weights()
    return unchanged, extracted, students, curve.test


def difference(one, other):
    return max(float(np.abs(a - b).max()) for a, b in zip(one, other, strict=True))


alone, shared = train(), train(strategy="mirrored")
half = train(strategy="mirrored", mixed_precision="float16")
print(
    json.dumps(
        {
            "devices": len(tf.config.list_logical_devices("CPU")),
            "teacher": alone[0] and shared[0] and half[0],
            "extraction": difference(alone[1], shared[1]),
            "distillation": difference(alone[2], shared[2]),
            "curves": [alone[3], shared[3]],
            "half": difference(alone[1] + alone[2], half[1] + half[2]),
        }
    )
)
