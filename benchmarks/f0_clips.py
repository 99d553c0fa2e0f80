"""Clips whose fundamental frequency is known, to try estimators of it on: drawn, not recorded."""
import numpy as np

from entoflow.demo.transits import SCENE, transit_envelopes
from entoflow.sound_noise import harmonics, mix, noise


def draw(n, rng, snr_db, kind="white", scene=SCENE):
    """Return (clips n x samples float32, F0 n in Hz) to try F0 estimators on: F0 of 90 to 800 Hz, which drifts by 2 % within a clip.

    5 harmonics of random strength, in a transit of 0.1 to 0.5 s, in noise of one kind with an SNR over the whole clip.
    """
    times, f0 = np.arange(scene.samples) / scene.sample_rate, rng.uniform(90, 800, n)
    strengths = rng.uniform(0.1, 1, (n, 5)) / np.sqrt(np.arange(1, 6))  # harmonic 1 is not the strongest of about a third
    envelopes, _ = transit_envelopes(rng.uniform(0.1, 0.5, n), times, rng)
    clips = envelopes * harmonics(f0, strengths, rng.choice([-0.02, 0.02], n), times, rng)
    return mix(clips, noise(kind, n, scene.samples, scene.sample_rate, rng), snr_db), f0
