// What the entry writes and says when a run has ended.
def write_index(outdir) {
    def described = new groovy.json.JsonSlurper().parse(file("${moduleDir}/../../conf/results.json").toFile())
    def root = file(outdir).toAbsolutePath().normalize()
    def listed = published(root).collect { path ->
        def name = root.relativize(path).toString()
        def entry = described.find { candidate -> name ==~ candidate.path }
        [path: name, sha256: sha256(path), chain: name.contains('/') ? name.tokenize('/')[0] : 'suite', task: entry?.task, description: entry?.description]
    }
    root.resolve('index.json').text = groovy.json.JsonOutput.prettyPrint(groovy.json.JsonOutput.toJson([files: listed])) + '\n'
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

// How many files and boxes were left out, by the audit of a chain.
def left_out(audit) {
    if( !audit.exists() )
        return []
    def summary = new groovy.json.JsonSlurper().parse(audit.toFile()).summary
    return summary.findAll { name, _count -> name.endsWith('left out') || name.endsWith('dropped') || name.endsWith('clipped') }.collect { name, count -> "${name} ${count}" }
}
