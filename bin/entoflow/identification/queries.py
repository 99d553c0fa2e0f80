"""Images to be named by a gallery, with their vectors: what the tasks that ask a gallery begin with."""
from entoflow import coco, model_folder
from entoflow.identification import embedder_facts, embeddings, gallery
from entoflow.task import InputError


def read(datasets, embedding_files, folder):
    """Return (images sorted by name, their vectors n x d, the gallery, the facts of its embedder).

    Raises InputError where the gallery holds nothing, the vectors are of another embedder than its own, or the images were not cropped as its own were.
    """
    facts, held = model_folder.read(folder / "embedder"), gallery.read(folder)
    ids, vectors = embeddings.read(embedding_files)
    own = embeddings.of(vectors, facts, "embedder", embedding_files)
    if not len(held):
        raise InputError(f"{folder}: holds no specimen; wanted a gallery to name by.")
    if own.shape[1] != held.dimension:
        raise InputError(f"{folder}: holds vectors of {held.dimension} dimensions; wanted {own.shape[1]}, as the embedder makes.")
    held.check(embedder_facts.identity(facts), own)
    asked = {path: coco.read(path) for path in datasets}
    for path, dataset in asked.items():
        embedder_facts.check_crops(facts, dataset, path)
    images = sorted((image for dataset in asked.values() for image in dataset["images"]), key=lambda image: image["file_name"])
    return images, own[embeddings.rows(ids, [image["id"] for image in images])], held, facts


def identifier(held, facts):
    """Return the Identifier of a gallery, with the calibration of its embedder."""
    import numpy as np

    from entoflow.identification.identification import Identifier

    return Identifier(np.asarray(held.embeddings(), np.float32), held.labels, facts["calibration"])
