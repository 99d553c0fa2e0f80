// A channel of one list: the files of a channel by name, so that a task's input does not depend
// on the order in which other tasks ended.
def by_name(files) {
    return files.toSortedList { a, b -> a.name <=> b.name }
}

// What WRITE_REPORT takes, from a channel of [folder, file]: [folders, files], sorted; or nothing.
def by_place(placed_files) {
    return placed_files
        .toSortedList { a, b -> "${a[0]}/${a[1].name}" <=> "${b[0]}/${b[1].name}" }
        .filter { pairs -> pairs }
        .map { pairs -> pairs.transpose() }
}

// From a channel of [role, value]: the values of one role.
def of_role(pairs, role) {
    return pairs.filter { pair -> pair[0] == role }.map { pair -> pair[1] }
}

// From a channel of [role, file or files]: each file.
def of_every_role(pairs) {
    return pairs.flatMap { _role, files -> [files].flatten() }
}

// Files are named after the data set that they were made from: specimens_1_0001.npz.
def with_name_start(files, start) {
    return files.filter { path -> path.name.startsWith(start) }
}

// A channel of one list: the packs that hold an image of the data set (in some of its parts), which
// a task gets beside it. `packs` is a channel of one list: every pack.
def with_packs(dataset, packs, parts = []) {
    return dataset.combine(packs.toList()).map { path, all -> packs_of(path, all, parts) }
}

// What PREDICT_BOXES takes, a tuple a pack: the pack, the ids of the images to run on, the model's
// files. `packs` and `model` are channels of one list (no model: no shard), `ids` of one file.
def shards(packs, ids, model) {
    return packs.flatMap { list -> list }.combine(ids).combine(model.map { files -> [files] })
}

def packs_of(dataset, packs, parts) {
    def images = images_of(dataset).findAll { image -> !parts || image.part in parts }
    def names = images.collect { image -> image.pack }.toSet()
    return packs.findAll { pack -> pack.name in names }
}

def has_images(dataset) {
    return !images_of(dataset).isEmpty()
}

def images_of(dataset) {
    return new groovy.json.JsonSlurper().parse(dataset.toFile()).images
}

// What is fetched for 'pretrained' ([]: FETCH_... downloads it) or a path; nothing for 'none'.
def weights_to_fetch(weights) {
    if( weights == 'none' )
        return []
    return weights == 'pretrained' ? [[]] : [file(weights)]
}

// The files of a folder by name: a task that gets them, not the folder, re-runs when one changes.
// None where there is no such folder.
def files_of(folder) {
    if( !folder || !file(folder).isDirectory() )
        return []
    return file(folder).listFiles().findAll { item -> item.isFile() }.sort { item -> item.name }
}
