include { code_of } from './suite'

// What a source is made of. A task is given the source as one path, which Nextflow cannot see into: the fingerprint,
// a hash of the names and bytes of all its files, is what makes -resume notice a change and overlook a touch.
// A folder is everything below it; a table, list, JSON or YAML file is itself and every file or folder that it names.
// `code` is what suite() returned: the bytes of its files count too.
def fingerprint(source, code) {
    def digest = java.security.MessageDigest.getInstance('SHA-256')
    (members(source) + code_of(code)).each { member ->
        digest.update("${member}\n".getBytes('UTF-8'))
        digest.update(sha256(member))
    }
    return digest.digest().encodeHex().toString()
}

def members(source) {
    def named = source.isDirectory() ? [source] : named_in(source)
    def beside = named.findAll { item -> item.isDirectory() && item.name == 'images' }.collect { item -> item.resolveSibling('labels') }
    def folders = (named + beside).findAll { item -> item.isDirectory() }
    def files = (named + [source]).findAll { item -> item.isFile() } + folders.collectMany { folder -> below(folder) }
    return files.toSet().sort { member -> member.toString() }
}

def below(folder) {
    def found = []
    folder.eachFileRecurse(groovy.io.FileType.FILES) { item -> found.add(item) }
    return found
}

// Every word of a text that is a path from its folder (or an absolute one), or the name of a file that lies beside it
// or in images/: more than the reader will use, never less. YOLO's label files are found from their images.
def named_in(source) {
    def beside = source.parent
    def found = words(source).collectMany { word -> places(word, beside) }.findAll { item -> item.exists() }
    def labels = found.collect { item -> label_of(item) }.findAll { item -> item.exists() }
    return found + labels + voc_files(source)
}

def words(source) {
    if( source.size() > 1024L * 1024 * 1024 )
        error("${source}: is larger than 1 GiB; wanted a table, list, JSON or YAML file that names images")
    def text = source.getText('UTF-8').replace('\uFEFF', '')
    if( source.extension == 'json' )
        return texts(json(source, text)).toSet()
    def pieces = text.findAll(/"(?:[^"]|"")*"|[^\s"][^"\r\n,;\t]*/).collect { piece -> piece.replaceAll(/^"|"$/, '').replace('""', '"').trim() }
    def yaml = text.readLines().findAll { line -> line.contains(':') }.collect { line -> line.substring(line.indexOf(':') + 1).trim() }
    return (pieces + yaml + text.readLines().collect { line -> line.trim() }).toSet().findAll { piece -> piece && piece.size() < 4096 }
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
    return value instanceof Map ? value.values().collectMany { item -> texts(item) } : value instanceof List ? value.collectMany { item -> texts(item) } : value instanceof String ? [value] : []
}

// The address of a local file in Label Studio is a path behind "?d=".
def places(address, folder) {
    def word = address.contains('local-files/?d=') ? address.substring(address.indexOf('?d=') + 3) : address
    def name = word.tokenize('/\\') ? word.tokenize('/\\').last() : word
    return word.contains('\u0000') ? [] : [folder.resolve(word), folder.resolve(name), folder.resolve('images').resolve(name)]
}

def label_of(image) {
    def text = image.toString()
    def at = text.lastIndexOf('/images/')
    def label = at < 0 ? text : text.substring(0, at) + '/labels/' + text.substring(at + 8)
    return file(label.replaceAll(/\.[^.\/]*$/, '') + '.txt')
}

// A list of Pascal VOC (ImageSets/Main/train.txt) names stems: all pictures and annotations of its root count
def voc_files(source) {
    def root = source.parent?.parent?.parent
    def folders = root && source.parent.parent.name == 'ImageSets' ? [root.resolve('JPEGImages'), root.resolve('Annotations')] : []
    return folders.findAll { folder -> folder.isDirectory() }
}

def sha256(member) {
    def digest = java.security.MessageDigest.getInstance('SHA-256')
    member.withInputStream { stream -> stream.eachByte(1024 * 1024) { bytes, n -> digest.update(bytes, 0, n) } }
    return digest.digest()
}

// [['boxes', a], ['boxes', b], ['test', c]] -> [['boxes', 'boxes_1', a], ['boxes', 'boxes_2', b], ['test', 'test_1', c]]
def numbered(sources) {
    return sources.groupBy { role, _source -> role }.collectMany { role, members ->
        members.withIndex(1).collect { member, number -> [role, "${role}_${number}".toString(), member[1]] }
    }
}
