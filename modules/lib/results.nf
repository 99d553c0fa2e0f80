// What the entry writes and says when a run has ended.
// The folder may hold files of earlier runs, older than `begun`. Those of other chains stay listed; those of a chain that
// this run published are stale, thus not listed: a list of one sentence about them, or of none.
def write_index(outdir, begun) {
    def described = new groovy.json.JsonSlurper().parse(file("${moduleDir}/../../conf/results.json").toFile())
    def root = file(outdir).toAbsolutePath().normalize()
    def files = published(root).collect { path ->
        def name = root.relativize(path).toString()
        [path: path, name: name, chain: name.contains('/') ? name.tokenize('/')[0] : 'suite', entry: described.find { candidate -> name ==~ candidate.path }]
    }
    def (current, older) = files.split { found -> found.path.lastModified() >= begun }
    def chains = current.collect { found -> found.chain } as Set
    def (stale, others) = older.split { found -> found.chain in chains }
    def listed = (current + others.findAll { found -> found.entry }).sort { found -> found.name }.collect { found ->
        [path: found.name, sha256: sha256(found.path), chain: found.chain, task: found.entry?.task, description: found.entry?.description]
    }
    root.resolve('index.json').text = groovy.json.JsonOutput.prettyPrint(groovy.json.JsonOutput.toJson([files: listed])) + '\n'
    def names = stale.collect { found -> found.name }
    return names ? ["${root} holds ${names.size()} files of an earlier run, which index.json does not list: ${names.take(5).join(', ')}${names.size() > 5 ? ' and so on' : ''}."] : []
}

// The time by the clock of the folder's file system, told by writing there.
def now(folder) {
    folder.mkdirs()
    def probe = folder.resolve(".entoflow_${UUID.randomUUID()}")
    probe.text = ''
    def time = probe.lastModified()
    probe.delete()
    return time
}

def published(root) {
    def skipped = ['index.json', 'pipeline_info']
    def top = root.listFiles().findAll { path -> !(path.name in skipped) && !path.name.startsWith('.') }
    return top.collectMany { path -> path.isDirectory() ? file("${path}/**", type: 'file', hidden: true, glob: true) : [path] }.collect { path -> path.toAbsolutePath().normalize() }.sort()
}

def sha256(path) {
    def digest = java.security.MessageDigest.getInstance('SHA-256')
    path.withInputStream { stream -> stream.eachByte(1024 * 1024) { bytes, n -> digest.update(bytes, 0, n) } }
    return digest.digest().encodeHex().toString()
}

// The sentence with which a script ended, out of all that Nextflow says of a failed task.
def sentence(report) {
    def lines = (report ?: '').readLines().collect { line -> line.trim() }.findAll { line -> line.startsWith('error: ') }
    return lines ? lines.last() : null
}

// What is wrong where neither script nor Nextflow could write a word: the first of the folders whose disk has no room.
def full(folders) {
    def found = folders.find { folder -> folder.scheme == 'file' && folder.exists() && folder.toFile().usableSpace < 64 * 1024 }
    return found ? "error: ${found}: No space left on device; wanted more room on its disk." : null
}

// How many files and boxes a chain left out or mended, by its audit.
def left_out(chain, audit) {
    def summary = audit.exists() ? new groovy.json.JsonSlurper().parse(audit.toFile()).summary : [:]
    def lost = summary.findAll { name, _count -> name.endsWith('left out') || name.endsWith('dropped') || name.endsWith('clipped') }
    def counts = lost.collect { name, count -> "${name} ${count}" }.join(', ')
    return lost ? "${chain}: left out or mended, each with a row in ${audit}: ${counts}." : "${chain}: nothing was left out."
}

// Said as the process ends: Nextflow's own summary and warnings come after onComplete and onError.
def last_words(lines) {
    Runtime.runtime.addShutdownHook(new Thread({ System.out.println(lines.join('\n')) }))
}
