"""Tables of named events, as people open them in a spreadsheet."""
import csv

COLUMNS = ("recording", "start", "end", "label", "score", "f0_hz", "verdict")


def rows(events, asked, probability, classes, known_above):
    """Yield a row of COLUMNS for each of the asked rows of Events, by their probabilities (k x C). F0 is 0 where an event is silent."""
    f0 = events.table[:, events.features.index("f0_hz")]
    for at, row in zip(asked, probability):
        clip, best = events.clips[at], int(row.argmax())
        yield (clip["recording"], clip["start"], clip["end"], str(classes[best]), round(float(row[best]), 4), round(float(f0[at]), 1),
               "known" if row[best] >= known_above else "unknown")


def write_csv(path, found):
    """Write rows one by one."""
    with path.open("w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(found)
