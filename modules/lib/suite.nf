// What a task needs of ours, handed to it as inputs: a host has neither our bin/ on its PATH nor
// our config, and Nextflow re-runs a task only for changed inputs. `settings` maps task names to
// their settings; unset ones keep the script's default. The code is the task's script,
// bin/<room>/<task>.py, and what it imports from the package, directly or not: a list of the
// package's own files, threads.sh among them, then one of each sub-package that it imports, by
// name; where it writes a page, last a list of the page's templates, style sheets and scripts.
// `choices` is what the wiring decides; `use` names one use of the task, whose settings win over
// those of the task: train_target_detector.
def suite(task_name, settings, choices = [:], use = null) {
    def script = script_of(task_name)
    def modules = closure(imports(script))
    def in_rooms = modules.findAll { name -> name.contains('/') }
    def rooms = in_rooms.collect { name -> name.tokenize('/')[0] }.toSet().sort()
    def core_files = with_init(modules - in_rooms, '') + [in_bin('entoflow/threads.sh')]
    def room_files = rooms.collect { room ->
        with_init(in_rooms.findAll { name -> name.startsWith("${room}/") }, "${room}/")
    }
    def code = [core_files] + room_files
    def pages = 'pages' in modules ? [page_files([script] + code.flatten())] : []
    def flags_of_task = (settings[task_name] ?: [:]) + choices + (settings[use] ?: [:])
    return [flags(flags_of_task), script] + code + pages
}

// The package's files of these names and its __init__.py, without which an installed copy of the
// package would win over the staged one.
def with_init(names, folder) {
    def all = names + "${folder}__init__".toString()
    return all.sort().collect { name -> source(name) }
}

// What a page is made of besides data: each template (*.html.j2), style sheet and script that the
// code names in quotes, and what these name in turn. They lie in the package's folders `templates`
// and in web/, each under a name of its own.
def page_files(code) {
    def folders = templates() + [in_bin('../web')]
    def all = folders.collectMany { folder -> folder.listFiles().toList() }
    def known = all.collectEntries { path -> [path.name, path] }
    return with_named(named_files(code, known), known).sort().collect { name -> known[name] }
}

def with_named(names, known) {
    def grown = names + named_files(names.collect { name -> known[name] }, known)
    return grown == names ? names : with_named(grown, known)
}

def templates() {
    def package_folder = in_bin('entoflow')
    def rooms = package_folder.listFiles().findAll { path -> path.isDirectory() }
    def folders = ([package_folder] + rooms).collect { folder -> folder.resolve('templates') }
    return folders.findAll { folder -> folder.isDirectory() }
}

// The names in quotes of known files: "page.html.j2", "palette.css", "./csv.js".
def named_files(paths, known) {
    def pattern = /["'](?:\.\/)?[\w-]+\.(?:html\.j2|css|js)["']/
    def words = paths.collectMany { path -> path.text.findAll(pattern) }
    def names = words.collect { word -> word.replaceAll(/["']|\.\//, '') } as Set
    return names.findAll { name -> name in known.keySet() } as Set
}

def script_of(task_name) {
    def rooms = in_bin('.').listFiles().findAll { folder -> folder.isDirectory() }
    def candidates = rooms.collect { room -> room.resolve("${task_name}.py") }
    def scripts = candidates.findAll { path -> path.exists() }
    if( scripts.size() != 1 )
        error("bin/ has ${scripts.size()} scripts ${task_name}.py; wanted one")
    return scripts[0]
}

def in_bin(name) {
    return file("${moduleDir}/../../bin/${name}", glob: false)
}

def source(name) {
    return file("${moduleDir}/../../bin/entoflow/${name}.py", glob: false, checkIfExists: true)
}

// All that files of the package import of it, directly or not, and they themselves.
def closure(names) {
    def grown = names + names.collectMany { name -> imports(source(name)) } as Set
    return grown == names ? names : closure(grown)
}

// The package's files that a file imports, as names below bin/entoflow: tables, detection/matching.
def imports(python_file) {
    // Compiled once, not for every line.
    def pattern = ~/^\s*from\s+entoflow((?:\.\w+)*)\s+import\s+([\w,\s]+)/
    def names = python_file.readLines().collectMany { line ->
        def match = line =~ pattern
        match ? imported_files(match[0][1].tokenize('.'), imported_names(match[0][2])) : []
    }
    return names as Set
}

// 'a, b as c' -> ['a', 'b']
def imported_names(text) {
    return text.split(',').collect { word -> word.trim().tokenize(' ')[0] }
}

// From the parts of `from entoflow.<parts> import <names>`, which name a folder of the package (the
// names are files in it) or a file (the names are what it defines).
def imported_files(parts, names) {
    if( !parts )
        return names
    def is_room = parts.size() == 1 && in_bin("entoflow/${parts[0]}").isDirectory()
    return is_room ? names.collect { name -> "${parts[0]}/${name}".toString() } : [parts.join('/')]
}

// [accept: 0.6] becomes --accept '0.6', whatever the value holds; null leaves the script's default.
def flags(settings) {
    def chosen = settings.findAll { _name, value -> value != null }
    return chosen.keySet().sort().collect { name -> "--${name} ${quoted(chosen[name])}" }.join(' ')
}

def quoted(value) {
    return "'" + value.toString().replace("'", "'\\''") + "'"
}
