"""Readable recordings: WAV, FLAC or OGG, recognised by content and decoded to the last sample.

Samples are float32, and full scale is 1 (a float file keeps its own scale). The sample rate is the
file's own: nothing is resampled unless it is asked for. A recording is one sensor's, so its
channels become one as `channels` chooses.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np

from entoflow import files
from entoflow.wingbeat import channels

FORMATS = ("WAV", "WAVEX", "RF64", "FLAC", "OGG")
READABLE = {".wav", ".wave", ".rf64", ".flac", ".ogg", ".oga", ".opus"}
# Named here, these are reported as unreadable and not overlooked.
UNREADABLE = {".mp3", ".m4a", ".aac", ".mp4", ".mov", ".3gp", ".amr", ".wma"}
UNREADABLE |= {".aif", ".aiff", ".w64", ".caf", ".au"}
BLOCK = 1 << 20  # frames to decode at a time
ROUNDING = 0.001  # seconds that a time in a table may lie beyond the end
UNKNOWN_LENGTH = 0xFFFFFFFF  # as a WAV declares it that was written as a stream
MOST_FRAMES = 1 << 60  # a FLAC that was written as a stream declares more
OGG_PAGE = 1 << 16  # bytes, at most
OPUS_RATE = 48_000  # Hz, in which an Opus file states its length


class BadRecordingError(Exception):
    """A file that is no usable recording, or lacks the part that is asked for.

    The message is the reason.
    """


@dataclass(frozen=True)
class Header:
    """What the header of a recording declares."""

    sample_rate: int  # Hz
    frames: int
    n_channels: int


@dataclass(frozen=True)
class SoundFacts:
    """What a full decoding says of a recording."""

    sample_rate: int  # Hz
    frames: int
    n_channels: int
    channels: tuple[int, ...]  # from 1, whose mean is the recording
    note: str | None  # what was done to several channels
    sha256: str  # of the file's bytes

    @property
    def seconds(self) -> float:
        return self.frames / self.sample_rate


def is_sound_name(name: str) -> bool:
    """Return whether a file is meant to be a recording, by its name."""
    return Path(name).suffix.lower() in READABLE | UNREADABLE


def read_header(path: Path) -> Header:
    """Return what the header declares, without decoding. Raises BadRecordingError."""
    with _open(path) as sound:
        return Header(sound.samplerate, sound.frames, sound.channels)


def describe(path: Path) -> SoundFacts:
    """Check a recording by full decoding, in constant memory, and return its facts.

    Raises BadRecordingError.
    """
    with _open(path) as sound:
        covariance, n_finite = channels.covariance(_decode(sound, 0, sound.frames, BLOCK))
        if not n_finite:
            raise BadRecordingError("has no finite sample")
        choice = channels.choose(covariance)
        return SoundFacts(
            sound.samplerate,
            sound.frames,
            sound.channels,
            choice.channels,
            choice.note,
            files.sha256(path),
        )


def read(
    path: Path, start: float = 0.0, stop: float | None = None, chosen: Sequence[int] | None = None
) -> tuple[np.ndarray, int]:
    """Return (float32 samples, sample rate in Hz) of a recording from start to stop in seconds, or
    to its end.

    chosen: the channels that `describe` chose; where they are not given, the whole recording is
    described, so that every part has the same channels. Raises BadRecordingError, also for a part
    that the recording does not hold.
    """
    chosen = chosen or _choose_channels(path)
    with _open(path) as sound:
        first, last = _frames_between(sound, start, stop)
        blocks = [channels.mix(block, chosen) for block in _decode(sound, first, last, BLOCK)]
        return np.concatenate(blocks), sound.samplerate


def read_blocks(
    path: Path, seconds: float, chosen: Sequence[int] | None = None
) -> Iterator[np.ndarray]:
    """Yield a recording as float32 blocks of at most so many seconds, in constant memory.

    chosen: as for `read`. Raises BadRecordingError.
    """
    chosen = chosen or _choose_channels(path)
    with _open(path) as sound:
        size = max(1, min(round(seconds * sound.samplerate), BLOCK))
        for block in _decode(sound, 0, sound.frames, size):
            yield channels.mix(block, chosen)


def resample(samples: np.ndarray, sample_rate: int, new_rate: int) -> np.ndarray:
    """Return samples (n, or n x channels) at another rate, by soxr's HQ filter.

    They are band-limited to the lower of the two rates.
    """
    import soxr

    return soxr.resample(samples, sample_rate, new_rate, quality="HQ")


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    """Yield the decoder of a file that is as long as it declares."""
    import soundfile

    with _open_bytes(path) as file:
        _refuse_truncated_wav(file)
        try:
            # By its number: soundfile would take the content of an `x.raw` from its name.
            with soundfile.SoundFile(file.fileno(), closefd=False) as sound:
                _refuse_unusable(sound, path)
                yield sound
        except soundfile.LibsndfileError as error:
            if error.code == 1:
                raise BadRecordingError("is no WAV, FLAC or OGG") from None
            raise BadRecordingError(f"is damaged ({error.error_string.rstrip('. ')})") from None


def _open_bytes(path: Path) -> FileIO:
    try:
        return open(path, "rb", buffering=0)
    except FileNotFoundError:
        raise BadRecordingError("is absent") from None
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        raise BadRecordingError(f"cannot be read ({getattr(error, 'strerror', error)})") from None


def _refuse_unusable(sound: Any, path: Path) -> None:
    if sound.format not in FORMATS:
        raise BadRecordingError(f"is {sound.format}; wanted WAV, FLAC or OGG")
    if sound.format == "OGG":
        _refuse_truncated_ogg(sound, path)
    if sound.frames < 2:
        raise BadRecordingError(f"has {sound.frames} samples; wanted 2 or more")
    if sound.frames > MOST_FRAMES:
        raise BadRecordingError("does not say how long it is; wanted a whole file, not a stream")


def _refuse_truncated_wav(file: FileIO) -> None:
    """Raise BadRecordingError for an empty file, and for a WAV with fewer samples than it declares.

    libsndfile reads the samples that are there and reports nothing.
    """
    size = file.seek(0, 2)
    file.seek(0)
    if size == 0:
        raise BadRecordingError("is empty")
    if file.read(12)[:4] in (b"RIFF", b"RF64"):
        declared = _declared_bytes(file)
        available = size - file.tell()
        if declared is not None and declared > available:
            raise BadRecordingError(
                f"is truncated (declares {declared} bytes of samples, has {available})"
            )
    file.seek(0)


def _declared_bytes(file: FileIO) -> int | None:
    """Return how many bytes of samples a WAV declares, None where it does not say.

    Moves the file to the first of them.
    """
    declared_64 = UNKNOWN_LENGTH
    while len(head := file.read(8)) == 8:
        length = int.from_bytes(head[4:], "little")
        if head[:4] == b"data":
            declared = declared_64 if length == UNKNOWN_LENGTH else length
            return None if declared == UNKNOWN_LENGTH else declared
        if head[:4] == b"ds64":  # the lengths of an RF64: of the file, then of the samples
            declared_64 = int.from_bytes(file.read(16)[8:], "little")
            length -= 16
        file.seek(length + length % 2, 1)
    return None


def _refuse_truncated_ogg(sound: Any, path: Path) -> None:
    """Raise BadRecordingError for an OGG without its last page, or shorter than that page says.

    libsndfile skips what it cannot decode and reports nothing.
    """
    with open(path, "rb") as file:
        file.seek(max(0, file.seek(0, 2) - 2 * OGG_PAGE))
        page = file.read().rpartition(b"OggS")[2]
    if not _is_last_page(page):
        raise BadRecordingError("is truncated (its last page is missing)")
    seconds = sound.frames / sound.samplerate
    rate = OPUS_RATE if sound.subtype == "OPUS" else sound.samplerate
    declared = int.from_bytes(page[2:10], "little") / rate
    if seconds < declared - 0.1:  # Opus counts up to 80 ms that are not played
        raise BadRecordingError(f"is damaged ({seconds:.2f} of {declared:.2f} s can be decoded)")


def _is_last_page(page: bytes) -> bool:
    """Return whether an OGG's page is whole and marked as the last one.

    page: without its first four bytes.
    """
    if len(page) < 23:
        return False
    n_segments = page[22]
    whole_length = 23 + n_segments + sum(page[23 : 23 + n_segments])
    return len(page) >= whole_length and bool(page[1] & 4)


def _decode(sound: Any, first: int, last: int, size: int) -> Iterator[np.ndarray]:
    """Yield the frames first..last as float32 blocks (frames x channels).

    What a header declares is never allocated at once.
    libsndfile loses its place in the last page of an OGG, which has fewer than BLOCK frames: there,
    what comes before the first frame is decoded too.
    """
    at = min(first, max(0, sound.frames - BLOCK)) if sound.format == "OGG" else first
    sound.seek(at)
    while at < last:
        end = first if at < first else last
        block = sound.read(min(size, end - at), dtype="float32", always_2d=True)
        if not len(block):
            raise BadRecordingError(f"is truncated (ends after {at} of {sound.frames} samples)")
        if at >= first:
            yield block
        at += len(block)


def _choose_channels(path: Path) -> tuple[int, ...]:
    return (1,) if read_header(path).n_channels == 1 else describe(path).channels


def _frames_between(sound: Any, start: float, stop: float | None) -> tuple[int, int]:
    seconds = sound.frames / sound.samplerate
    stop = seconds if stop is None else stop
    if not 0 <= start < stop <= seconds + ROUNDING:
        raise BadRecordingError(
            f"lasts {seconds:g} s and is asked for {start:g} to {stop:g} s; wanted a start before "
            "the end, both within it"
        )
    first = round(start * sound.samplerate)
    last = min(round(stop * sound.samplerate), sound.frames)
    if first >= last:
        raise BadRecordingError(f"has no sample from {start:g} to {stop:g} s; wanted one or more")
    return first, last
