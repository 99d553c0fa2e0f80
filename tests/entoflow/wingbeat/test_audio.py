import csv
import hashlib
import io
import struct
import tracemalloc

import numpy as np
import pytest
import soundfile
from scipy.io import wavfile

from entoflow.wingbeat import audio

RATE = 8000


def noise(n=20_000, n_channels=1, seed=1):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (n, n_channels))


def encoded(samples, form="WAV", subtype="PCM_16", rate=RATE):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=form, subtype=subtype)
    return file.getvalue()


def wav(samples, declared=None, before=b""):
    """Return a 16-bit mono WAV: RIFF, fmt, other chunks, data of a declared length."""
    data = np.asarray(samples, "<i2").tobytes()
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    body = (
        form
        + before
        + struct.pack("<4sI", b"data", len(data) if declared is None else declared)
        + data
    )
    return struct.pack("<4sI4s", b"RIFF", 4 + len(body), b"WAVE") + body


@pytest.fixture
def saved(tmp_path):
    def _saved(data, name="a.wav"):
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return _saved


@pytest.mark.parametrize("rate", [2500, 8000, 96_000])
@pytest.mark.parametrize(
    "form, subtype, step",
    [
        ("WAV", "PCM_U8", 2**-7),
        ("WAV", "PCM_16", 2**-15),
        ("WAV", "PCM_24", 2**-23),
        ("WAV", "PCM_32", 2**-24),
        ("WAV", "FLOAT", 2**-24),
        ("WAVEX", "PCM_24", 2**-23),
        ("RF64", "PCM_16", 2**-15),
        ("FLAC", "PCM_16", 2**-15),
        ("FLAC", "PCM_24", 2**-23),
    ],
)
def test_lossless_forms_give_the_samples_to_a_step_of_their_depth_and_the_rate_of_the_file(
    saved, form, subtype, step, rate
):
    inputs = noise()[:, 0]
    samples, actual = audio.read(saved(encoded(inputs, form, subtype, rate)))
    assert (samples.dtype, samples.shape, actual) == (np.float32, inputs.shape, rate)
    np.testing.assert_allclose(samples, inputs, atol=step)


def test_16_bits_are_the_integers_of_scipy_over_32768(saved):
    path = saved(wav(np.random.default_rng(1).integers(-32768, 32768, 999)))
    np.testing.assert_array_equal(audio.read(path)[0], wavfile.read(path)[1] / 32768)


def test_float_files_keep_their_own_scale(saved):
    inputs = (40 * noise()[:, 0]).astype(np.float32)
    np.testing.assert_array_equal(audio.read(saved(encoded(inputs, "WAV", "FLOAT")))[0], inputs)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_ogg_gives_the_sound_at_its_length(saved, subtype):
    inputs = np.sin(2 * np.pi * 300 * np.arange(20_000) / RATE) / 2
    samples, rate = audio.read(saved(encoded(inputs, "OGG", subtype)))
    assert (samples.shape, rate) == (inputs.shape, RATE)
    assert np.corrcoef(samples, inputs)[0, 1] > 0.99


@pytest.mark.parametrize(
    "form, subtype, name",
    [
        ("FLAC", "PCM_16", "a.wav"),
        ("OGG", "VORBIS", "a.flac"),
        ("WAV", "PCM_16", "a.raw"),
        ("WAV", "PCM_16", "a.mp3"),
    ],
)
def test_a_form_is_told_by_content_whatever_the_name_says(saved, form, subtype, name):
    assert audio.read_header(saved(encoded(noise(), form, subtype), name)) == audio.Header(
        RATE, 20_000, 1
    )


def test_info_and_describe_say_what_the_file_holds(saved):
    data = encoded(noise(1234, 3), rate=44_100)
    path = saved(data)
    fact = audio.describe(path)
    assert audio.read_header(path) == audio.Header(44_100, 1234, 3)
    assert (fact.sample_rate, fact.frames, fact.n_channels) == (44_100, 1234, 3)
    assert fact.sha256 == hashlib.sha256(data).hexdigest()


def test_a_recording_of_one_channel_has_nothing_done_to_it(saved):
    fact = audio.describe(saved(encoded(noise())))
    assert (fact.channels, fact.note) == ((1,), None)


@pytest.mark.parametrize(
    "form, subtype", [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS")]
)
def test_parts_and_blocks_are_those_of_the_whole(saved, form, subtype):
    path = saved(encoded(noise(300_000), form, subtype))
    whole = audio.read(path)[0]
    np.testing.assert_allclose(audio.read(path, 1.25, 30.5)[0], whole[10_000:244_000], atol=1e-6)
    np.testing.assert_allclose(audio.read(path, start=37.0)[0], whole[296_000:], atol=1e-6)
    blocks = list(audio.read_blocks(path, 7.3))
    assert [len(block) for block in blocks] == [58_400] * 5 + [8000]
    np.testing.assert_allclose(np.concatenate(blocks), whole, atol=1e-6)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_parts_anywhere_in_an_ogg_are_those_of_the_whole_the_last_page_too(saved, subtype):
    path = saved(encoded(noise(40_000), "OGG", subtype))
    whole = audio.read(path)[0]
    for start in np.arange(0, 5, 0.12):
        np.testing.assert_allclose(
            audio.read(path, start, start + 0.05)[0],
            whole[round(start * RATE) : round((start + 0.05) * RATE)],
            atol=1e-6,
        )


def test_a_dead_channel_leaves_the_live_one_at_its_level(saved):
    live = noise()
    path = saved(encoded(np.hstack([np.full_like(live, 0.25), live])))
    fact = audio.describe(path)
    assert (fact.channels, fact.note) == ((2,), "channel 2 of 2 is taken; no signal in 1")
    np.testing.assert_allclose(audio.read(path)[0], live[:, 0], atol=2**-15)
    np.testing.assert_allclose(
        np.concatenate(list(audio.read_blocks(path, 0.5))), live[:, 0], atol=2**-15
    )


def test_a_channel_that_is_quiet_for_a_while_is_not_dead_in_that_part(saved):
    both = noise(20_000, 2)
    both[:10_000, 0] = 0
    path = saved(encoded(both))
    assert audio.describe(path).note == "the mean of channels 1, 2 of 2 is taken"
    np.testing.assert_allclose(audio.read(path, 0, 1)[0], both[:8000, 1] / 2, atol=2**-15)


def test_channels_that_a_dataset_names_are_taken_without_asking_again(saved):
    both = noise(20_000, 2)
    np.testing.assert_allclose(
        audio.read(saved(encoded(both)), chosen=(1,))[0], both[:, 0], atol=2**-15
    )


def test_single_samples_that_are_no_number_stay_for_the_flags_to_tell(saved):
    inputs = noise()[:, 0].astype(np.float32)
    inputs[100] = np.nan
    path = saved(encoded(inputs, "WAV", "FLOAT"))
    assert audio.describe(path).frames == 20_000 and np.flatnonzero(
        np.isnan(audio.read(path)[0])
    ).tolist() == [100]


def damaged(name):
    plain, flac, ogg, opus = (
        encoded(noise(), *form)
        for form in (("WAV",), ("FLAC",), ("OGG", "VORBIS"), ("OGG", "OPUS"))
    )
    return {
        "empty": b"",
        "text": b"no sound\n" * 100,
        "picture": b"\x89PNG\r\n\x1a\n" + bytes(1000),
        "zeros": bytes(5000),
        "head of a wav": plain[:20],
        "half a wav": plain[: len(plain) // 2],
        "a wav less a byte": plain[:-1],
        "half a wav of 64 bits": encoded(noise(), "RF64")[:20_000],
        "half a flac": flac[: len(flac) // 2],
        "half an ogg": ogg[: len(ogg) // 2],
        "an ogg less a byte": ogg[:-1],
        "half an opus": opus[: len(opus) // 2],
        "an ogg with a hole": ogg[:9000] + bytes(3000) + ogg[12_000:],
        "no sample": wav([]),
        "one sample": wav([7]),
        "one sample in flac": encoded(noise(1), "FLAC"),
        "not a number": encoded(np.full(100, np.nan), "WAV", "FLOAT"),
        "infinite": encoded(np.full((100, 2), -np.inf), "WAV", "FLOAT"),
        "aiff": encoded(noise(), "AIFF"),
        "mp3": encoded(noise(), "MP3", "MPEG_LAYER_III"),
        "a stream in flac": flac[:21] + bytes([flac[21] & 0xF0, 0, 0, 0, 0]) + flac[26:],
    }[name]


@pytest.mark.parametrize(
    "name, reason",
    [
        ("empty", "^is empty$"),
        ("text", "^is no WAV, FLAC or OGG$"),
        ("picture", "^is no WAV, FLAC or OGG$"),
        ("zeros", "^is no WAV, FLAC or OGG$"),
        ("head of a wav", "^is damaged"),
        ("half a wav", r"^is truncated \(declares 40000 bytes of samples, has 19978\)$"),
        ("a wav less a byte", r"^is truncated \(declares 40000 bytes of samples, has 39999\)$"),
        ("half a wav of 64 bits", r"^is truncated \(declares 40000 bytes of samples, has"),
        ("half a flac", "^is damaged"),
        ("half an ogg", r"^is truncated \(its last page is missing\)$"),
        ("an ogg less a byte", r"^is truncated \(its last page is missing\)$"),
        ("half an opus", r"^is truncated \(its last page is missing\)$"),
        ("an ogg with a hole", r"^is damaged \(\d\.\d\d of 2\.50 s can be decoded\)$"),
        ("no sample", "^has 0 samples; wanted 2 or more$"),
        ("one sample", "^has 1 samples; wanted 2 or more$"),
        ("one sample in flac", "^has 1 samples; wanted 2 or more$"),
        ("not a number", "^has no finite sample$"),
        ("infinite", "^has no finite sample$"),
        ("aiff", "^is AIFF; wanted WAV, FLAC or OGG$"),
        ("mp3", "^is MP3; wanted WAV, FLAC or OGG$"),
        ("a stream in flac", "^does not say how long it is; wanted a whole file, not a stream$"),
    ],
)
def test_a_bad_recording_is_told_with_its_reason(saved, name, reason):
    with pytest.raises(audio.BadRecordingError, match=reason):
        audio.describe(saved(damaged(name)))


@pytest.mark.parametrize(
    "name, reason",
    [
        ("none.wav", "^is absent$"),
        ("", r"^cannot be read \(Is a directory\)$"),
        ("a\0b.wav", "^cannot be read"),
    ],
)
def test_a_file_that_cannot_be_opened_is_a_bad_recording(tmp_path, name, reason):
    for use in (audio.read_header, audio.describe, audio.read):
        with pytest.raises(audio.BadRecordingError, match=reason):
            use(tmp_path / name)


def huge(form):
    """Return a file of 20,000 frames that declares a thousand million or more."""
    if form == "WAV":
        return wav(noise()[:, 0], declared=0x7FFFFFF0)
    flac = encoded(noise(), "FLAC")
    return flac[:21] + bytes([flac[21] | 0x0F]) + b"\xff\xff\xff\xf0" + flac[26:]


@pytest.mark.parametrize("form", ["WAV", "FLAC"])
@pytest.mark.parametrize(
    "use", [audio.describe, audio.read, lambda path: list(audio.read_blocks(path, 1e6))]
)
def test_what_a_header_declares_beyond_the_bytes_is_told_and_takes_no_memory(saved, form, use):
    path = saved(huge(form))
    tracemalloc.start()
    try:
        with pytest.raises(audio.BadRecordingError, match="^is (truncated|damaged)"):
            use(path)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


def test_a_wav_written_as_a_stream_is_as_long_as_its_bytes(saved):
    assert audio.read_header(saved(wav(np.arange(500), declared=0xFFFFFFFF))) == audio.Header(
        RATE, 500, 1
    )


@pytest.mark.parametrize(
    "data",
    [
        wav(np.arange(500), before=struct.pack("<4sI5sx", b"LIST", 5, b"words")),
        wav(np.arange(500)) + b"id3 " * 50,
    ],
)
def test_other_chunks_of_a_wav_before_and_after_its_samples_change_nothing(saved, data):
    np.testing.assert_array_equal(audio.read(saved(data))[0], np.arange(500) / 32768)


@pytest.mark.parametrize(
    "form",
    [
        ("WAV", "PCM_16"),
        ("WAV", "FLOAT"),
        ("RF64", "PCM_16"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
    ],
)
def test_damage_anywhere_in_a_file_is_a_bad_recording_or_a_recording_and_nothing_else(saved, form):
    data, rng = encoded(noise(5000, 2), *form), np.random.default_rng(7)
    for _ in range(60):
        bad = bytearray(data[: rng.integers(1, len(data) + 1)])
        for place in np.concatenate(
            [rng.integers(0, len(bad), 3), rng.integers(0, min(80, len(bad)), 3)]
        ):
            bad[place] = rng.integers(0, 256)
        path = saved(bytes(bad))
        try:
            fact = audio.describe(path)
            assert len(audio.read(path, chosen=fact.channels)[0]) == fact.frames
        except audio.BadRecordingError as error:
            assert str(error)


def test_three_hours_are_read_in_the_memory_of_a_block(tmp_path):
    path, n = tmp_path / "long.wav", 3 * 3600 * RATE
    with open(path, "wb") as file:  # the file system keeps no zeros
        file.write(wav([], declared=2 * n))
        file.truncate(44 + 2 * n)
    tracemalloc.start()
    try:
        assert audio.read_header(path) == audio.Header(RATE, n, 1)
        assert sum(len(block) for block in audio.read_blocks(path, 10)) == n
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "start, stop",
    [
        (2, 1),
        (1, 1),
        (-1, 1),
        (0, 2.6),
        (3, 4),
        (float("nan"), 1),
        (0, float("nan")),
        (0, float("inf")),
    ],
)
def test_a_part_that_a_recording_does_not_hold_is_told(saved, start, stop):
    with pytest.raises(
        audio.BadRecordingError,
        match=f"^lasts 2.5 s and is asked for {start:g} to {stop:g} s; wanted a start",
    ):
        audio.read(saved(encoded(noise())), start, stop)


def test_a_part_between_two_samples_is_told(saved):
    with pytest.raises(
        audio.BadRecordingError, match="^has no sample from 1 to 1.00001 s; wanted one or more$"
    ):
        audio.read(saved(encoded(noise())), 1, 1.00001)


def test_an_end_rounded_up_to_a_millisecond_is_the_end(saved):
    assert len(audio.read(saved(encoded(noise(19_997))), 2, 2.5)[0]) == 3997


@pytest.mark.parametrize(
    "rate, new_rate", [(44_100, 8000), (2500, 8000), (96_000, 8000), (8000, 44_100)]
)
def test_resampling_keeps_a_tone_and_its_level_and_drops_what_the_new_rate_cannot_hold(
    rate, new_rate
):
    time, new_time = np.arange(2 * rate) / rate, np.arange(2 * new_rate) / new_rate
    tone = 0.5 * np.sin(2 * np.pi * 440 * time) + (
        0.5 * np.sin(2 * np.pi * 0.45 * rate * time) if rate > new_rate else 0
    )
    actual = audio.resample(tone.astype(np.float32), rate, new_rate)
    inner = slice(new_rate // 4, -new_rate // 4)
    assert (actual.dtype, actual.shape) == (np.float32, new_time.shape)
    np.testing.assert_allclose(
        actual[inner], 0.5 * np.sin(2 * np.pi * 440 * new_time)[inner], atol=1e-3
    )


def test_resampling_treats_channels_apart():
    both = noise(8000, 2).astype(np.float32)
    actual = audio.resample(both, 8000, 5000)
    np.testing.assert_allclose(
        actual[:, 1], audio.resample(both[:, 1].copy(), 8000, 5000), atol=1e-6
    )


@pytest.mark.parametrize(
    "name, meant",
    [
        ("a.WAV", True),
        ("b/c.flac", True),
        ("x.ogg", True),
        ("x.mp3", True),
        ("x.wav-annotated.csv", False),
        ("wav", False),
    ],
)
def test_a_recording_is_known_by_its_name(name, meant):
    assert audio.is_sound_name(name) == meant


def test_fly_song_is_what_scipy_reads(data):
    paths = sorted((data / "fly_song").glob("*.wav"))
    assert len(paths) == 3
    for path in paths:
        rate, expected = wavfile.read(path)
        samples, actual = audio.read(path)
        assert actual == rate == 2500
        np.testing.assert_array_equal(samples, expected / 32768)


def test_esc10_sounds_last_as_long_as_their_table_says(data):
    with open(data / "esc10_sounds/recordings.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 238
    for row in rows:
        header = audio.read_header(data / "esc10_sounds" / row["file"])
        assert (header.sample_rate, header.n_channels) == (44_100, 1)
        assert abs(header.frames / header.sample_rate - float(row["duration_s"])) < 0.001
