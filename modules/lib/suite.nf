// What a task needs of ours, handed to it as inputs: a host has neither our bin/ on its PATH nor our config, and
// Nextflow re-runs a task only for changed inputs. `settings` maps task names to their settings; unset ones keep
// the script's default. The code is the task's script, bin/<room>/<task>.py, and what it imports from the package,
// directly or not: a list of the package's own files, then one of each sub-package that it imports, by name; where it
// writes a page, last a list of the page's templates, style sheets and scripts.
// `given` is what the wiring decides; `use` names one use of the task, e.g. train_target_detector: its settings win
// over those of the task.
def suite(task_name, settings, given = [:], use = null) {
    def script = script_of(task_name)
    def modules = closure(imports(script))
    def rooms = modules.findAll { name -> name.contains('/') }.collect { name -> name.tokenize('/')[0] }.toSet().sort()
    def own = (modules.findAll { name -> !name.contains('/') } + '__init__').sort()
    def of_rooms = rooms.collect { room -> (modules.findAll { name -> name.startsWith("${room}/") } + "${room}/__init__".toString()).sort() }
    def chosen = (settings[task_name] ?: [:]) + given + (settings[use] ?: [:])
    def code = ([own] + of_rooms).collect { names -> names.collect { name -> source(name) } }
    def pages = 'pages' in modules ? [page_files([script] + code.flatten())] : []
    return [flags(chosen), script] + code + pages
}

// What a page is made of besides data: each template (*.html.j2), style sheet and script that the code names in quotes,
// and what these name in turn. They lie in the package's folders `templates` and in web/, each under a name of its own.
def page_files(code) {
    def folders = templates() + [in_bin('../web')]
    def known = folders.collectMany { folder -> folder.listFiles().toList() }.collectEntries { path -> [path.name, path] }
    return with_named(named_files(code, known), known).sort().collect { name -> known[name] }
}

def with_named(names, known) {
    def grown = names + named_files(names.collect { name -> known[name] }, known)
    return grown == names ? names : with_named(grown, known)
}

def templates() {
    def package_folder = in_bin('entoflow')
    def folders = [package_folder] + package_folder.listFiles().findAll { path -> path.isDirectory() }
    return folders.collect { folder -> folder.resolve('templates') }.findAll { folder -> folder.isDirectory() }
}

// The names in quotes of known files: "page.html.j2", "palette.css", "./csv.js".
def named_files(paths, known) {
    def names = paths.collectMany { path -> path.text.findAll(/["'](?:\.\/)?[\w-]+\.(?:html\.j2|css|js)["']/) }
    def plain = names.collect { name -> name.replaceAll(/["']|\.\//, '') } as Set
    return plain.findAll { name -> name in known.keySet() } as Set
}

// Every file of code that suite() handed on.
def code_of(suite) {
    return suite.drop(1).flatten()
}

def script_of(task_name) {
    def rooms = in_bin('.').listFiles().findAll { folder -> folder.isDirectory() }
    def found = rooms.collect { room -> room.resolve("${task_name}.py") }.findAll { script -> script.exists() }
    if( found.size() != 1 )
        error("bin/ has ${found.size()} scripts ${task_name}.py; wanted one")
    return found[0]
}

def in_bin(name) {
    return file("${moduleDir}/../../bin/${name}", glob: false)
}

def source(name) {
    return file("${moduleDir}/../../bin/entoflow/${name}.py", glob: false, checkIfExists: true)
}

def closure(known) {
    def grown = known + known.collectMany { name -> imports(source(name)) } as Set
    return grown == known ? known : closure(grown)
}

// The package's files that a file imports, as names below bin/entoflow: tables, detection/matching.
def imports(python_file) {
    return python_file.readLines().collectMany { line ->
        def found = line =~ /^\s*from\s+entoflow((?:\.\w+)*)\s+import\s+([\w,\s]+)/
        found ? named(found[0][1].tokenize('.'), found[0][2].split(',').collect { word -> word.trim().tokenize(' ')[0] }) : []
    } as Set
}

// from entoflow import a, b; from entoflow.room import a, b; from entoflow.a import x; from entoflow.room.a import x
def named(parts, names) {
    if( !parts )
        return names
    def is_room = parts.size() == 1 && in_bin("entoflow/${parts[0]}").isDirectory()
    return is_room ? names.collect { name -> "${parts[0]}/${name}".toString() } : [parts.join('/')]
}

// [accept: 0.6] becomes --accept '0.6', whatever the value holds; a setting of null leaves the script's default.
def flags(settings) {
    def given = settings.findAll { _name, value -> value != null }
    return given.keySet().sort().collect { name -> "--${name} '${given[name].toString().replace("'", "'\\''")}'" }.join(' ')
}

// The first line of a process's script: OpenMP takes as many threads as the task has cpus (torch, MKL
// and OpenBLAS ask it), and they do not spin while they wait, which slows a task beside it.
def threads(cpus) {
    return "export OMP_NUM_THREADS=${cpus} OMP_WAIT_POLICY=PASSIVE"
}
