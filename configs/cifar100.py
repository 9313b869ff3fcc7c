"""CIFAR-100 with ResNet14, or with a network of phones: --config.network=mobilenet.

    kegnet-teacher --dataset=cifar100 --output=cifar100.keras
    kegnet --dataset=cifar100 --teacher=cifar100.keras

Not measured: the data are not at hand here.
"""

from kegnet_tf.configs import cifar10

LABELS = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly
camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile
cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp
lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom
oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake
spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor
train trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""


def get_config(mode=""):
    config = cifar10.get_config(mode)
    config.teacher = ""
    config.data.update(
        name="cifar100",
        label_names=tuple(label.replace("_", " ") for label in LABELS.split()),
        mean=(0.5071, 0.4865, 0.4409),  # of the training images
        std=(0.2673, 0.2564, 0.2762),  # of the training images
    )
    return config
