"""What counts as a readable recording: WAV, FLAC or OGG, told apart by content and decoded to its last sample.

Samples are float32, and full scale is 1 (a float file keeps its own scale). The sample rate is the file's own: nothing is resampled unless asked
for. A recording is one sensor's, so its channels become one as `channels` chooses.
"""
import hashlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from entoflow.wingbeat import channels

# The second line holds what is not read: named here, it is reported and not overlooked.
SUFFIXES = {".wav", ".wave", ".rf64", ".flac", ".ogg", ".oga", ".opus",
            ".mp3", ".m4a", ".aac", ".mp4", ".mov", ".3gp", ".amr", ".wma", ".aif", ".aiff", ".w64", ".caf", ".au"}
FORMATS = ("WAV", "WAVEX", "RF64", "FLAC", "OGG")
BLOCK = 1 << 20  # frames to decode at a time
ROUNDING = 0.001  # seconds that a time in a table may lie beyond the end
UNKNOWN = 0xFFFFFFFF  # the length of a WAV that was written as a stream


class BadRecording(Exception):
    """A file that is no usable recording, or a part that it does not hold; the message is the reason."""


def is_sound_name(name):
    """Tell by its name whether a file is meant to be a recording."""
    return Path(name).suffix.lower() in SUFFIXES


def info(path):
    """Return (sample rate in Hz, frames, channels) as the header says, without decoding. Raises BadRecording."""
    with _opened(path) as sound:
        return sound.samplerate, sound.frames, sound.channels


def describe(path):
    """Check a recording by full decoding, in constant memory, and return what a dataset says of it. Raises BadRecording.

    sample_rate (Hz), frames, channels, taken (the channels, from 1, whose mean is the recording), note (what was done to channels, or None),
    sha256 (of the file's bytes).
    """
    with _opened(path) as sound:
        covariance, n_finite = channels.covariance(_decoded(sound, 0, sound.frames, BLOCK))
        if not n_finite:
            raise BadRecording("has no finite sample")
        taken, note = channels.choose(covariance)
        return {"sample_rate": sound.samplerate, "frames": sound.frames, "channels": sound.channels, "taken": taken, "note": note,
                "sha256": _sha256(path)}


def read(path, start=0.0, stop=None, taken=None):
    """Return (float32 samples, sample rate in Hz) of a recording from start to stop in seconds, or to its end.

    `taken` are the channels that describe chose; without it the whole recording is asked, so that every part has the same channels.
    Raises BadRecording, also for a part that the recording does not hold.
    """
    taken = taken or _taken(path)
    with _opened(path) as sound:
        first, last = _span(sound, start, stop)
        return np.concatenate([channels.mixed(block, taken) for block in _decoded(sound, first, last, BLOCK)]), sound.samplerate


def blocks(path, seconds, taken=None):
    """Yield a recording as float32 blocks of at most so many seconds: memory is constant. `taken` as for read. Raises BadRecording."""
    taken = taken or _taken(path)
    with _opened(path) as sound:
        for block in _decoded(sound, 0, sound.frames, max(1, min(round(seconds * sound.samplerate), BLOCK))):
            yield channels.mixed(block, taken)


def resampled(samples, sample_rate, new_rate):
    """Return samples (n, or n x channels) at another rate, band-limited to the lower of the two, by soxr's HQ filter."""
    import soxr

    return soxr.resample(samples, sample_rate, new_rate, quality="HQ")


@contextmanager
def _opened(path):
    """Give the decoder of a file that is as long as it declares."""
    import soundfile

    with _file(path) as file:
        _refuse_truncated_wav(file)
        try:
            with soundfile.SoundFile(file.fileno(), closefd=False) as sound:  # a number: soundfile would go by the name of an `x.raw`
                _refuse(sound, path)
                yield sound
        except soundfile.LibsndfileError as error:
            what = "is no WAV, FLAC or OGG" if error.code == 1 else f"is damaged ({error.error_string.rstrip('. ')})"
            raise BadRecording(what) from None


def _file(path):
    try:
        return open(path, "rb", buffering=0)
    except FileNotFoundError:
        raise BadRecording("is absent") from None
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        raise BadRecording(f"cannot be read ({getattr(error, 'strerror', error)})") from None


def _refuse(sound, path):
    if sound.format not in FORMATS:
        raise BadRecording(f"is {sound.format}; wanted WAV, FLAC or OGG")
    if sound.format == "OGG":
        _refuse_truncated_ogg(sound, path)
    if sound.frames < 2:
        raise BadRecording(f"has {sound.frames} samples; wanted 2 or more")
    if sound.frames > 1 << 60:
        raise BadRecording("does not say how long it is; wanted a whole file, not a stream")


def _refuse_truncated_wav(file):
    """Walk a WAV's chunks to its samples: libsndfile takes what is there of them and says nothing."""
    size, declared = file.seek(0, 2), UNKNOWN
    file.seek(0)
    if size == 0:
        raise BadRecording("is empty")
    riff = file.read(12)[:4] in (b"RIFF", b"RF64")
    while riff and len(head := file.read(8)) == 8:
        length = int.from_bytes(head[4:], "little")
        if head[:4] == b"ds64":  # an RF64's lengths: of all, then of the samples
            declared = int.from_bytes(file.read(16)[8:], "little")
            length -= 16
        elif head[:4] == b"data":
            declared, here = declared if length == UNKNOWN else length, size - file.tell()
            if declared > here and declared != UNKNOWN:
                raise BadRecording(f"is truncated (declares {declared} bytes of samples, has {here})")
            break
        file.seek(length + length % 2, 1)
    file.seek(0)


def _refuse_truncated_ogg(sound, path):
    """Look at the last page: whole files mark it, and it says how long they are; libsndfile skips what it cannot decode and says nothing."""
    with open(path, "rb") as file:
        file.seek(max(0, file.seek(0, 2) - (1 << 17)))  # a page has at most 64 KiB
        page = file.read().rpartition(b"OggS")[2]
    if len(page) < 23 or len(page) < 23 + page[22] + sum(page[23:23 + page[22]]) or not page[1] & 4:
        raise BadRecording("is truncated (its last page is missing)")
    seconds = sound.frames / sound.samplerate
    declared = int.from_bytes(page[2:10], "little") / (48000 if sound.subtype == "OPUS" else sound.samplerate)
    if seconds < declared - 0.1:  # Opus counts up to 80 ms that are not played
        raise BadRecording(f"is damaged ({seconds:.2f} of {declared:.2f} s can be decoded)")


def _decoded(sound, first, last, size):
    """Yield frames first..last as float32 frames x channels blocks: what a header declares is never allocated at once.

    libsndfile misses its place in the last page of an OGG, which has fewer than BLOCK frames: there, what comes before is decoded too.
    """
    at = min(first, max(0, sound.frames - BLOCK)) if sound.format == "OGG" else first
    sound.seek(at)
    while at < last:
        block = sound.read(min(size, (first if at < first else last) - at), dtype="float32", always_2d=True)
        if not len(block):
            raise BadRecording(f"is truncated (ends after {at} of {sound.frames} samples)")
        if at >= first:
            yield block
        at += len(block)


def _taken(path):
    return (1,) if info(path)[2] == 1 else describe(path)["taken"]


def _span(sound, start, stop):
    seconds = sound.frames / sound.samplerate
    stop = seconds if stop is None else stop
    if not 0 <= start < stop <= seconds + ROUNDING:
        raise BadRecording(f"lasts {seconds:g} s and is asked for {start:g} to {stop:g} s; wanted a start before the end, both within it")
    first, last = round(start * sound.samplerate), min(round(stop * sound.samplerate), sound.frames)
    if first >= last:
        raise BadRecording(f"has no sample from {start:g} to {stop:g} s; wanted one or more")
    return first, last


def _sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while data := file.read(1 << 20):
            digest.update(data)
    return digest.hexdigest()
