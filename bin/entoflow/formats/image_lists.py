"""Images without boxes: a table or a folder per class where they have labels, a folder, table or file where not."""
from entoflow.images import is_image_name
from entoflow.sources import Photo, existing_source, find_images, named_in_table, relative
from entoflow.tables import plain_label, read_rows
from entoflow.task import InputError

COLUMNS = ("split", "genus", "family")  # of a table of specimens


def read_labelled(source):
    """Return ("table" or "folders", photos with labels, notes (image, row, action, reason)).

    Raises InputError for a source of another form, or an image given with two labels.
    """
    path = existing_source(source)
    return ("folders", *_class_folders(path)) if path.is_dir() else ("table", *_labelled_table(path))


def read_images(source):
    """Return ("images" or "table", photos, notes) of a folder and all below it, a table of images, or one image."""
    path = existing_source(source)
    if path.is_dir():
        return "images", [Photo(relative(image, path), image) for image in find_images(path)], []
    if is_image_name(path.name):
        return "images", [Photo(path.name, path)], []
    return "table", *_once([_photo(path, row) for row in read_rows(path, required=["image"])])


def _class_folders(folder):
    photos, notes = [], []
    for path in find_images(folder):
        name = relative(path, folder)
        if path.parent == folder:
            notes.append((name, None, "left out", "lies in no class folder, so it has no label"))
        else:
            photos.append(Photo(name, path, label=name.split("/")[0]))
    if not photos:
        raise InputError(f"{folder}: holds {len(notes)} images and none in a folder below; wanted a folder per class.")
    return photos, notes


def _labelled_table(path):
    photos = [_photo(path, row) for row in read_rows(path, required=["image", "label"], integers=["count"])]
    labelled = {}
    for photo in photos:
        first = labelled.setdefault(photo.path, photo)
        if first.label != photo.label:
            raise InputError(f"{path}, rows {first.row} and {photo.row}: {photo.file_name} is labelled '{first.label}' "
                             f"and '{photo.label}'; wanted one label for an image.")
    return _once(photos)


def _photo(path, row):
    return Photo(row["image"], named_in_table(path, row["image"]), label=row.get("label") or None, count=row.get("count"),
                 group=row.get("group") or None, row=row["row"], columns={name: plain_label(row[name]) for name in COLUMNS if row.get(name)})


def _once(photos):
    """Return (photos, notes): each path once, the row that gives it first."""
    first = {photo.path: photo for photo in reversed(photos)}
    notes = [(photo.file_name, photo.row, "dropped", f"row {first[photo.path].row} gives the same image")
             for photo in photos if first[photo.path] is not photo]
    return [photo for photo in photos if first[photo.path] is photo], notes
