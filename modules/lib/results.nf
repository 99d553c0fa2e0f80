// The results of a run: which files the report gets, index.json, and the last words.

// conf/results.json: see conf/write_results.py for what its columns mean.
def results_table() {
    def path = file("${moduleDir}/../../conf/results.json")
    return new groovy.json.JsonSlurper().parse(path.toFile())
}

// A channel of [folder under --outdir, file]: what the report gets of processes' outputs, which are
// given by the name of the process.
def report_files(outputs_by_process) {
    def rows = results_table().findAll { row -> row.report }
    def channels = outputs_by_process.collectMany { name, outputs ->
        def rows_of_process = rows.findAll { row -> row.process == name }
        // By number: `collect` would be the channels' operator.
        (0..<outputs.size()).collect { n -> reported(outputs[n], rows_of_process) }
    }
    return channels.inject { mixed, output -> mixed.mix(output) }
}

def reported(output, rows) {
    return output
        .flatMap { value -> [value].flatten() }
        .filter { item -> item instanceof java.nio.file.Path }
        .flatMap { path -> path.isDirectory() ? path.listFiles().toList() : [path] }
        .flatMap { path ->
            def row = rows.find { candidate -> is_reported(path, candidate) }
            row ? [[row.folder, path]] : []
        }
}

// row.output is 'plots/*.png', or 'embedder/' for a folder; row.report a pattern of file names.
def is_reported(path, row) {
    def pattern = row.output.endsWith('/') ? "${row.output}*" : row.output
    return fits(path, "**/${pattern}") && fits(path.fileName, row.report)
}

def fits(path, pattern) {
    return java.nio.file.FileSystems.getDefault().getPathMatcher("glob:${pattern}").matches(path)
}

// The folder under --outdir that a chain publishes to; both chains that use a model have one.
def folder_of(chain) {
    return chain in ['use_detector', 'use_wingbeat'] ? 'prediction' : chain
}

// Writes index.json. The folder may hold files of earlier runs, older than `start_time`. Those of
// other chains stay listed; those of a chain that this run published are stale, thus not listed.
// Returns a list of one sentence about the stale ones, or of none.
def write_index(outdir, start_time, chains) {
    def root = file(outdir).toAbsolutePath().normalize()
    def files = published_files(root)
    def (current, older) = files.split { path -> path.lastModified() >= start_time }
    def current_tops = current.collect { path -> top_folder(root, path) } as Set
    def (stale, others) = older.split { path -> top_folder(root, path) in current_tops }
    def rows = results_table().sort { row -> row.chain in chains ? 0 : 1 }
    def entries = current.collect { path -> index_entry(root, path, rows) } +
        others.collect { path -> index_entry(root, path, rows) }.findAll { entry -> entry.task }
    def index = [files: entries.sort { entry -> entry.path }]
    root.resolve('index.json').text = as_json(index)
    if( !stale )
        return []
    def names = stale.collect { path -> root.relativize(path).toString() }
    def listed = names.take(5).join(', ') + (names.size() > 5 ? ' and so on' : '')
    return ["${root} holds ${names.size()} files of an earlier run, " +
        "which index.json does not list: ${listed}."]
}

def index_entry(root, path, rows) {
    def name = root.relativize(path)
    def row = rows.find { candidate -> fits(name, place(candidate)) }
    return [
        path: name.toString(),
        sha256: sha256(path),
        chain: top_folder(root, path),
        task: row?.task,
        description: row?.description,
    ]
}

// Where a row's files lie under --outdir, as a pattern.
def place(row) {
    def folder = row.folder ? "${row.folder}/" : ''
    def name = row.output.tokenize('/').last()
    return folder + name + (row.output.endsWith('/') ? '/**' : '')
}

def top_folder(root, path) {
    def name = root.relativize(path)
    return name.nameCount > 1 ? name.getName(0).toString() : 'suite'
}

def published_files(root) {
    def skipped = ['index.json', 'pipeline_info']
    def visible = root.listFiles().findAll { path -> !path.name.startsWith('.') }
    def tops = visible.findAll { path -> !(path.name in skipped) }
    def files = tops.collectMany { top ->
        top.isDirectory() ? file("${top}/**", type: 'file', hidden: true, glob: true) : [top]
    }
    return files.collect { path -> path.toAbsolutePath().normalize() }.sort()
}

def sha256(path) {
    def digest = java.security.MessageDigest.getInstance('SHA-256')
    path.withInputStream { stream ->
        stream.eachByte(64 * 1024) { bytes, n -> digest.update(bytes, 0, n) }
    }
    return digest.digest().encodeHex().toString()
}

def as_json(value) {
    return groovy.json.JsonOutput.prettyPrint(groovy.json.JsonOutput.toJson(value)) + '\n'
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

// What pipeline_info/ holds beside Nextflow's own reports.
def write_run_info(outdir, options, versions) {
    def folder = outdir.resolve('pipeline_info')
    folder.mkdirs()
    folder.resolve('params.json').text = as_json(options)
    folder.resolve('software_versions.json').text = as_json(versions)
}

// The sentence with which a script ended, out of all that Nextflow says of a failed task.
def sentence(report) {
    def lines = (report ?: '').readLines().collect { line -> line.trim() }
    def errors = lines.findAll { line -> line.startsWith('error: ') }
    return errors ? errors.last() : null
}

// What is wrong where neither script nor Nextflow could write a word: the first of the folders
// whose disk has no room.
def full(folders) {
    def local = folders.findAll { folder -> folder.scheme == 'file' && folder.exists() }
    def folder = local.find { candidate -> candidate.toFile().usableSpace < 64 * 1024 }
    if( !folder )
        return null
    return "error: ${folder}: No space left on device; wanted more room on its disk."
}

// How many files and boxes each chain left out or mended, by its audit.
def left_out(chains, outdir) {
    return chains.collect { chain ->
        def folder = folder_of(chain)
        def audit = outdir.resolve("${folder}/audit.json")
        def counts = lost_counts(audit).collect { action, count -> "${action} ${count}" }.join(', ')
        counts
            ? "${folder}: left out or mended, each with a row in ${audit}: ${counts}."
            : "${folder}: nothing was left out."
    }
}

def lost_counts(audit) {
    if( !audit.exists() )
        return [:]
    def summary = new groovy.json.JsonSlurper().parse(audit.toFile()).summary
    return summary.findAll { action, _count ->
        ['left out', 'dropped', 'clipped'].any { ending -> action.endsWith(ending) }
    }
}

// Where a person looks first, a line a chain.
def places(chains, outdir, options) {
    def report = "${outdir}/report.html"
    def is_learning = options.specimens || options.demo
    def gallery = "The gallery: ${outdir}/identification/gallery; the report: ${report}"
    def names = "The names: ${outdir}/identification/identified.csv; the report: ${report}"
    def lines = [
        detection: "The report: ${report}",
        identification: is_learning ? gallery : names,
        wingbeat: "The comparison: ${outdir}/wingbeat/comparison.json; the report: ${report}",
        use_detector: "The predictions: ${outdir}/prediction/predictions.csv",
        use_wingbeat: "The events and their names: ${outdir}/prediction/predictions.csv",
    ]
    return chains.collect { chain -> lines[chain] }
}

// What is said as the process ends, as Nextflow's own summary and warnings come after onComplete
// and onError: a map of the `lines`, and of the exit `status` where it is not Nextflow's.
def last_words() {
    def ending = [lines: [], status: null]
    Runtime.runtime.addShutdownHook(new Thread({
        ending.lines.each { line -> System.out.println(line) }
        if( ending.status )
            Runtime.runtime.halt(ending.status) // exit() would wait for this very hook
    }))
    return ending
}

// Whether a signal ended the run, by Nextflow's word for the error; then `ending` says so in one
// sentence, and alone.
def ended_by_signal(error, ending) {
    def numbers = [SIGHUP: 1, SIGINT: 2, SIGTERM: 15]
    if( error in numbers ) {
        ending.lines = ["error: ended by ${error}; its tasks are cancelled, " +
            'and -resume goes on from those that had ended.']
        ending.status = 128 + numbers[error]
        mute_console()
    }
    return ending.status != null
}

// As its tasks are cut off, Nextflow warns of them and of inputs that came to nothing: that is for
// its log file alone.
def mute_console() {
    def appenders = org.slf4j.LoggerFactory.getLogger('ROOT').iteratorForAppenders()
    def consoles = appenders.findAll { appender ->
        !(appender instanceof ch.qos.logback.core.FileAppender)
    }
    consoles.each { appender -> appender.stop() }
}
