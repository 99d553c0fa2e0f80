"""The families of networks, which learn from the spectrograms of spectrogram_images.py: image (convolutions), rnn and transformer."""
import numpy as np

from entoflow.task import InputError
from entoflow.wingbeat import spectrogram_images
from entoflow.wingbeat.family_training import parser as common_parser

LOW_HZ = 100  # least of --spectrogram_hz


class Family:
    """One kind of network as family_training.py takes it."""

    FILE = "weights.safetensors"

    def __init__(self, kind):
        self.NAME = kind

    def fit(self, events, rows, settings):
        """Return (model, facts) learned from rows (k) of Events. settings: seed, views, spectrogram, spectrogram_hz."""
        from entoflow.wingbeat import sound_trainer

        picture = spectrogram_images.Picture(settings["spectrogram"], settings["spectrogram_hz"])
        classes, columns = np.unique(events.labels[rows], return_inverse=True)
        model = sound_trainer.fit(self.NAME, pictures(events, rows, picture), columns, {"n_classes": len(classes), **settings})
        return {"network": model, "picture": picture, "classes": classes.tolist()}, {}

    def probabilities(self, model, events, rows):
        """Return (probabilities k x C, the C classes) of rows of Events."""
        from entoflow.wingbeat import sound_trainer

        return sound_trainer.predict(model["network"], pictures(events, rows, model["picture"])), model["classes"]

    def save(self, model, events, folder):
        """Write the weights to a folder and return what model.json says of the input."""
        from entoflow.wingbeat import sound_trainer

        return {"spectrogram": model["picture"].scale, "spectrogram_hz": model["picture"].high_hz, "network": sound_trainer.save(model["network"], folder)}

    def load(self, folder, facts):
        """Return the model that save wrote. Raises InputError where its weights are of another network, or cannot be read."""
        from entoflow.wingbeat import sound_trainer

        given = facts["input"]
        picture = spectrogram_images.Picture(given["spectrogram"], given["spectrogram_hz"])
        return {"network": sound_trainer.load(folder, given["network"]), "picture": picture, "classes": facts["classes"]}


def pictures(events, rows, picture):
    """Return k x 1 x bands x frames float32 of rows of Events."""
    return spectrogram_images.image(np.asarray(events.samples[rows]), events.sample_rate, events.lengths[rows], picture)


def parser(doc):
    """Return the parser of the script of a network."""
    p = common_parser(doc)
    p.add_argument("--views", type=int, default=10000, help="spectrograms shown in training, each event as often as any other (default %(default)s)")
    p.add_argument("--spectrogram", choices=spectrogram_images.SCALES, default=spectrogram_images.PICTURE.scale,
                   help="linear or mel frequencies in dB, or mel with per-channel energy normalisation (default %(default)s)")
    p.add_argument("--spectrogram_hz", type=float, default=spectrogram_images.PICTURE.high_hz, help="its highest frequency, Hz (default %(default)s)")
    return p


def settings_of(args):
    """Return the settings of a network. Raises InputError for such that no network can learn with."""
    for name, least in (("views", 1), ("spectrogram_hz", LOW_HZ)):
        if not getattr(args, name) >= least:
            raise InputError(f"--{name} is {getattr(args, name):g}; wanted {least} or more.")
    return {name: getattr(args, name) for name in ("views", "spectrogram", "spectrogram_hz")}
