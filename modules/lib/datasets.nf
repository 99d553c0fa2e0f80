// Which packs a task needs: those that hold an image of the data set, in the parts asked for (all without any).
def packs_of(dataset, packs, parts = []) {
    def images = new groovy.json.JsonSlurper().parse(dataset.toFile()).images
    def names = images.findAll { image -> !parts || image.part in parts }.collect { image -> image.pack }.toSet()
    return packs.findAll { pack -> pack.name in names }
}

def has_images(dataset) {
    return !new groovy.json.JsonSlurper().parse(dataset.toFile()).images.isEmpty()
}

// The files of a folder, by name: a task that is given them, and not the folder, runs again when one changes.
def files_of(folder) {
    return file(folder).isDirectory() ? file(folder).listFiles().findAll { item -> item.isFile() }.sort { item -> item.name } : []
}
