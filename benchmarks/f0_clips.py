"""Clips whose fundamental frequency is known, to test estimators of it on: drawn, not recorded."""

import numpy as np

from entoflow.demo.transits import SCENE, Scene, transit_envelopes
from entoflow.sound_noise import harmonics, mix, noise


def draw(
    n: int, rng: np.random.Generator, snr_db: float, kind: str = "white", scene: Scene = SCENE
) -> tuple[np.ndarray, np.ndarray]:
    """Return (clips n x samples float32, F0 n in Hz).

    F0 is 90 to 800 Hz and drifts by 2 % within a clip. It has 5 harmonics of random strength, in a
    transit of 0.1 to 0.5 s, in noise of one kind with an SNR over the whole clip.
    """
    times = np.arange(scene.samples) / scene.sample_rate
    f0 = rng.uniform(90, 800, n)
    # Harmonic 1 is not the strongest of about a third.
    strengths = rng.uniform(0.1, 1, (n, 5)) / np.sqrt(np.arange(1, 6))
    envelopes, _ = transit_envelopes(rng.uniform(0.1, 0.5, n), times, rng)
    drift = rng.choice([-0.02, 0.02], n)
    clips = envelopes * harmonics(f0, strengths, drift, times, rng)
    noises = noise(kind, n, scene.samples, scene.sample_rate, rng)
    return mix(clips, noises, snr_db), f0
