// What IMPORT_IMAGES and IMPORT_RECORDINGS take, from a map of channels of paths by role: a channel
// of [role, name, path, fingerprint]. A role's sources are numbered in the order of their paths.
def import_sources(sources_by_role, importer) {
    def channels = sources_by_role.collect { role, sources -> sources.map { path -> [role, path] } }
    def code = importer.drop(1).flatten() // all that suite() returned but the flags
    return channels
        .inject { mixed, pairs -> mixed.mix(pairs) }
        .toSortedList { a, b -> a.toString() <=> b.toString() }
        .flatMap { pairs -> numbered(pairs) }
        .map { role, name, path -> [role, name, path, fingerprint(path, code)] }
}

// What a source consists of. A task is given the source as one path, which Nextflow cannot see
// into: the fingerprint, a hash of the names and bytes of all its files, is what makes -resume
// notice a change and overlook a touch. A folder is everything below it; a table, list, JSON or
// YAML file is itself and every file or folder that it names. `code`: files whose bytes count too.
// (Why in Groovy: docs/decisions/022-sources-in-groovy.md.)
def fingerprint(source, code) {
    def digest = java.security.MessageDigest.getInstance('SHA-256')
    (members(source) + code).each { member ->
        digest.update("${member}\n".getBytes('UTF-8'))
        digest.update(sha256(member))
    }
    return digest.digest().encodeHex().toString()
}

def members(source) {
    def named = source.isDirectory() ? [source] : named_in(source)
    def folders = named.findAll { item -> item.isDirectory() }
    def image_folders = folders.findAll { folder -> folder.name == 'images' }
    def label_folders = image_folders.collect { folder -> folder.resolveSibling('labels') }
    def all_folders = folders + label_folders.findAll { folder -> folder.isDirectory() }
    def files = (named + [source]).findAll { item -> item.isFile() }
    def files_below = all_folders.collectMany { folder -> below(folder) }
    return (files + files_below).toSet().sort { member -> member.toString() }
}

def below(folder) {
    def files = []
    folder.eachFileRecurse(groovy.io.FileType.FILES) { item -> files.add(item) }
    return files
}

// Every word of a text that is a path from its folder (or an absolute one), or the name of a file
// that lies beside it or in images/: more than the reader will use, never less. YOLO's label files
// are found from their images.
def named_in(source) {
    def candidates = words(source).collectMany { word -> places(word, source.parent) }
    def items = candidates.findAll { item -> item.exists() }
    def labels = items.collect { item -> label_of(item) }.findAll { item -> item.exists() }
    return items + labels + voc_folders(source)
}

def words(source) {
    if( source.size() > 1024L * 1024 * 1024 )
        error("${source}: is larger than 1 GiB; " +
            'wanted a table, list, JSON or YAML file that names images')
    def text = source.getText('UTF-8').replace('\uFEFF', '')
    if( source.extension == 'json' )
        return texts(json(source, text)).toSet()
    def lines = text.readLines()
    def pieces = text.findAll(/"(?:[^"]|"")*"|[^\s"][^"\r\n,;\t]*/)
    def cells = pieces.collect { piece -> unquoted(piece) }
    def values = lines.findAll { line -> line.contains(':') }.collect { line -> after_colon(line) }
    def whole_lines = lines.collect { line -> line.trim() }
    def all = (cells + values + whole_lines).toSet()
    return all.findAll { word -> word && word.size() < 4096 }
}

def unquoted(cell) {
    return cell.replaceAll(/^"|"$/, '').replace('""', '"').trim()
}

def after_colon(line) {
    return line.substring(line.indexOf(':') + 1).trim()
}

def json(source, text) {
    try {
        return new groovy.json.JsonSlurper().parseText(text)
    }
    catch( Exception problem ) {
        error("${source}: is not JSON (${problem.message.readLines()[0]})")
    }
}

def texts(value) {
    if( value instanceof Map )
        return value.values().collectMany { item -> texts(item) }
    if( value instanceof List )
        return value.collectMany { item -> texts(item) }
    return value instanceof String ? [value] : []
}

// The address of a local file in Label Studio is a path behind "?d=".
def places(address, folder) {
    def is_label_studio = address.contains('local-files/?d=')
    def word = is_label_studio ? address.substring(address.indexOf('?d=') + 3) : address
    if( word.contains('\u0000') )
        return []
    def parts = word.tokenize('/\\')
    def name = parts ? parts.last() : word
    return [folder.resolve(word), folder.resolve(name), folder.resolve('images').resolve(name)]
}

def label_of(image) {
    def text = image.toString()
    def at = text.lastIndexOf('/images/')
    def label = at < 0 ? text : text.substring(0, at) + '/labels/' + text.substring(at + 8)
    return file(label.replaceAll(/\.[^.\/]*$/, '') + '.txt')
}

// A list of Pascal VOC (ImageSets/Main/train.txt) names stems: all pictures and annotations of its
// root count.
def voc_folders(source) {
    def root = source.parent?.parent?.parent
    if( !root || source.parent.parent.name != 'ImageSets' )
        return []
    def folders = [root.resolve('JPEGImages'), root.resolve('Annotations')]
    return folders.findAll { folder -> folder.isDirectory() }
}

def sha256(member) {
    def digest = java.security.MessageDigest.getInstance('SHA-256')
    member.withInputStream { stream ->
        stream.eachByte(64 * 1024) { bytes, n -> digest.update(bytes, 0, n) }
    }
    return digest.digest()
}

// [['boxes', a], ['boxes', b], ['test', c]]
// -> [['boxes', 'boxes_1', a], ['boxes', 'boxes_2', b], ['test', 'test_1', c]]
def numbered(sources) {
    def sources_by_role = sources.groupBy { role, _source -> role }
    return sources_by_role.collectMany { role, members ->
        members.withIndex(1).collect { member, number ->
            [role, "${role}_${number}".toString(), member[1]]
        }
    }
}
