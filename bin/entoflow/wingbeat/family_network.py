"""The families of networks, trained on spectrograms: image (convolutions), rnn, transformer."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from entoflow.model_folder import ModelFacts
from entoflow.wingbeat import sound_trainer, spectrogram_images
from entoflow.wingbeat.event_arrays import Events
from entoflow.wingbeat.family import Training
from entoflow.wingbeat.network_settings import NetworkSettings
from entoflow.wingbeat.sound_trainer import SoundNetwork
from entoflow.wingbeat.spectrogram_images import Picture


@dataclass(frozen=True)
class NetworkModel:
    """A trained network and the spectrograms that it takes; see family.Model."""

    network: SoundNetwork
    picture: Picture
    classes: list[str]
    uses_features: bool = False

    def predict_proba(self, events: Events, rows: np.ndarray) -> np.ndarray:
        """Return the class probabilities of rows (k) of Events, k x C float32."""
        return sound_trainer.predict(self.network, spectrograms(events, rows, self.picture))

    def predict_shuffled(self, events: Events, rows: np.ndarray, seed: int) -> None:
        """Return None: there are no features to shuffle."""

    def save(self, events: Events, folder: Path) -> dict[str, Any]:
        """Write the weights and return what the network and its spectrograms are."""
        facts = sound_trainer.save(self.network, folder)
        return {
            "spectrogram": self.picture.scale,
            "spectrogram_hz": self.picture.high_hz,
            "network": facts,
        }


@dataclass(frozen=True)
class NetworkFamily:
    """One kind of network; see family.Family."""

    name: str  # image, rnn or transformer
    settings: NetworkSettings = field(default_factory=NetworkSettings)

    def fit(self, events: Events, rows: np.ndarray, seed: int) -> Training:
        """Train on rows (k) of Events."""
        picture = Picture(self.settings.spectrogram, self.settings.spectrogram_hz)
        classes, class_index = np.unique(events.labels[rows], return_inverse=True)
        network = sound_trainer.fit(
            self.name,
            spectrograms(events, rows, picture),
            class_index,
            n_classes=len(classes),
            views=self.settings.views,
            seed=seed,
        )
        return Training(NetworkModel(network, picture, classes.tolist()), asdict(self.settings))

    def load(self, folder: Path, facts: ModelFacts) -> NetworkModel:
        """Return the model that save() wrote.

        Raises InputError where its weights are of another network, or cannot be read.
        """
        picture = Picture(facts.input["spectrogram"], facts.input["spectrogram_hz"])
        network = sound_trainer.load(folder, facts.input["network"])
        return NetworkModel(network, picture, facts.classes)


def spectrograms(events: Events, rows: np.ndarray, picture: Picture) -> np.ndarray:
    """Return the spectrograms of rows (k) of Events, k x 1 x bands x frames float32."""
    samples = np.asarray(events.samples[rows])
    return spectrogram_images.image(samples, events.sample_rate, events.lengths[rows], picture)
