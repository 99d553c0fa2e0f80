// What a task needs of ours, handed to it as inputs: a host has neither our bin/ on its PATH nor our config, and
// Nextflow re-runs a task only for changed inputs. `settings` maps task names to their settings; unset ones keep
// the script's default. The code is the task's script and, transitively, what it imports from the package.
// `given` is what the wiring decides; `use` names one use of the task, e.g. train_target_detector: its settings win
// over those of the task.
def suite(task_name, settings, given = [:], use = null) {
    def script = file("${moduleDir}/../../bin/${task_name}.py", checkIfExists: true)
    def modules = closure(imports(script) + '__init__').sort()
    def chosen = (settings[task_name] ?: [:]) + given + (settings[use] ?: [:])
    return [flags(chosen), script, modules.collect { name -> source(name) }]
}

def source(name) {
    return file("${moduleDir}/../../bin/entoflow/${name}.py", checkIfExists: true)
}

def closure(known) {
    def grown = known + known.collectMany { name -> imports(source(name)) } as Set
    return grown == known ? known : closure(grown)
}

def imports(python_file) {
    return python_file.readLines().collectMany { line ->
        def dotted = line =~ /^\s*from\s+entoflow\.(\w+)\s+import/
        def listed = line =~ /^\s*from\s+entoflow\s+import\s+([\w,\s]+)/
        dotted ? [dotted[0][1]] : listed ? listed[0][1].split(',').collect { word -> word.trim().tokenize(' ')[0] } : []
    } as Set
}

// [accept: 0.6] becomes --accept '0.6', whatever the value holds; a setting of null leaves the script's default.
def flags(settings) {
    def given = settings.findAll { _name, value -> value != null }
    return given.keySet().sort().collect { name -> "--${name} '${given[name].toString().replace("'", "'\\''")}'" }.join(' ')
}
