// Parameters as nextflow_schema.json describes them: checked, typed, turned into the tasks'
// settings, and shown by --help.
def entries() {
    def path = file("${moduleDir}/../../nextflow_schema.json").toFile()
    def schema = new groovy.json.JsonSlurper().parse(path)
    return schema['$defs'].values().collectMany { group ->
        group.properties.collect { name, entry -> entry + [name: name, group: group.title] }
    }
}

// What is wrong with each parameter by itself: a sentence each.
def complaints(Map parameters) {
    def known = entries().collectEntries { entry -> [entry.name, entry] }
    // --max-epochs arrives as max-epochs and as maxEpochs: one complaint is enough.
    def names = parameters.keySet().findAll { name -> !name.contains('-') && !(name in known) }
    def unknown = names.collect { name ->
        "--${name} is unknown; the nearest is --${nearest(name, known.keySet())}"
    }
    def given = known.values().findAll { entry -> parameters[entry.name] != null }
    def problems = given.collect { entry -> [entry.name, problem(entry, parameters[entry.name])] }
    def wrong = problems.findAll { pair -> pair[1] }.collect { pair -> "--${pair[0]} ${pair[1]}" }
    return unknown + wrong
}

def problem(entry, value) {
    if( entry.name == 'help' )
        return null
    def text = value.toString()
    if( entry.type == 'string' && is_missing(entry, value) )
        return 'is given without a value'
    if( !is_of_type(entry.type, text) )
        return "wants ${type_in_words(entry.type)}, got '${value}'"
    if( entry['enum'] && !(text in entry['enum']) )
        return "is one of ${entry['enum'].join(', ')}, not '${value}'"
    if( entry.minimum != null && text.toBigDecimal() < entry.minimum )
        return "is at least ${entry.minimum}, not ${value}"
    if( entry.maximum != null && text.toBigDecimal() > entry.maximum )
        return "is at most ${entry.maximum}, not ${value}"
    def absent = entry.files ? paths(text).find { path -> !path.exists() } : null
    return absent ? "names ${absent}, which does not exist" : null
}

// A parameter without its value arrives as true.
def is_missing(entry, value) {
    def may_be_true = 'true' in (entry['enum'] ?: [])
    return (value == true && !may_be_true) || value.toString().trim() == ''
}

def is_of_type(type, text) {
    def number = text.isBigDecimal() ? text.toBigDecimal() : null
    if( type == 'integer' )
        return number != null && number == number.toBigInteger()
    if( type == 'number' )
        return number != null
    return type == 'string' || text in ['true', 'false']
}

def type_in_words(type) {
    return [integer: 'a whole number', number: 'a number', boolean: 'true or false'][type]
}

// The sources that a parameter names: one path, or several joined by commas.
def paths(text) {
    if( text == null )
        return []
    def whole = file(text.toString(), glob: false)
    if( whole.exists() )
        return [whole]
    return text.toString().tokenize(',').collect { path -> file(path.trim(), glob: false) }
}

// All parameters with their types; newer Nextflow passes the command line's as strings, and the
// string 'false' is true.
def typed(Map parameters) {
    def shown = entries().findAll { entry -> entry.name != 'help' }
    return shown.collectEntries { entry ->
        def value = parameters[entry.name]
        [entry.name, as_type(entry.type, value == null ? entry['default'] : value)]
    }
}

def as_type(type, value) {
    if( value == null )
        return null
    def text = value.toString()
    if( type == 'boolean' )
        return text == 'true'
    if( type == 'integer' )
        return text.toBigDecimal().intValue()
    return type == 'number' ? text.toBigDecimal() : text
}

// The parameters that were given, by task: [train_detector: [max_epochs: 50]]. What was not given
// keeps the script's default.
def task_settings(Map parameters) {
    def chosen = entries().findAll { entry -> entry.tasks && parameters[entry.name] != null }
    def rows = chosen.collectMany { entry ->
        def value = as_type(entry.type, parameters[entry.name])
        entry.tasks.collect { task -> [task, entry.name, value] }
    }
    def rows_by_task = rows.groupBy { row -> row[0] }
    return rows_by_task.collectEntries { task, of_task ->
        [task, of_task.collectEntries { row -> [row[1], row[2]] }]
    }
}

// The paths of each input of ENTOFLOW.
def input_paths(options) {
    def names = [
        'boxes', 'labelled_images', 'test_boxes', 'audit_boxes', 'reviewed',
        'specimens', 'unlabelled', 'recordings', 'predict',
    ]
    def inputs = names.collectEntries { name -> [name, paths(options[name])] }
    // A review is of the clusters where there are images to identify, else of the weak boxes.
    def is_of_clusters = options.unlabelled != null
    def model_items = options.model ? file(options.model).listFiles().toList() : []
    return inputs + [
        model: model_items.findAll { item -> item.isFile() },
        reviewed_clusters: is_of_clusters ? inputs.reviewed : [],
        reviewed: is_of_clusters ? [] : inputs.reviewed,
    ]
}

// A chain runs when its inputs are given; --demo draws those of the demo's chains.
def chains_to_run(options) {
    def demo_chains = options.demo ? options.demo_chains.tokenize(',') : []
    def is_wingbeat_model = options.model ? is_model_of('wingbeat', options.model) : false
    def runs = [
        detection: options.boxes || 'detection' in demo_chains,
        identification: options.specimens || options.gallery || 'identification' in demo_chains,
        wingbeat: options.recordings || 'wingbeat' in demo_chains,
        use_detector: options.predict && !is_wingbeat_model,
        use_wingbeat: options.predict && is_wingbeat_model,
    ]
    return runs.findAll { _chain, is_run -> is_run }.collect { chain, _is_run -> chain }
}

// Whether a model folder's model.json says that it is of this kind: detector, wingbeat ...
def is_model_of(kind, folder) {
    def facts = file(folder.toString()).resolve('model.json')
    return facts.exists() && facts.text =~ ('"kind"\\s*:\\s*"' + kind + '"')
}

def nearest(word, names) {
    return names.min { name -> distance(word, name) }
}

// Levenshtein's edit distance, a row of the table at a time
def distance(a, b) {
    def first_row = (0..b.size()).toList()
    def last_row = a.toList().inject(first_row) { row, letter ->
        b.toList().withIndex().inject([row[0] + 1]) { next, pair ->
            def (other, n) = pair
            def replaced = row[n] + (other == letter ? 0 : 1)
            next + [[row[n + 1] + 1, next.last() + 1, replaced].min()]
        }
    }
    return last_row.last()
}

// The text of --help: every parameter by chain, or one in full.
def help(Map parameters) {
    def names = entries().collect { entry -> entry.name } - 'help'
    def word = parameters.help.toString()
    def one = word in names ? word : names.find { name -> parameters[name] == true }
    return one ? help_of(entries().find { entry -> entry.name == one }) : help_of_all()
}

def help_of(entry) {
    def limits = [
        entry['enum'] ? "one of ${entry['enum'].join(', ')}" : null,
        entry.minimum != null ? "at least ${entry.minimum}" : null,
        entry.maximum != null ? "at most ${entry.maximum}" : null,
    ].findAll { text -> text }
    return """--${entry.name}: ${entry.description}
  chain    ${entry.group}
  type     ${([entry.type] + limits).join(', ')}
  default  ${entry['default'] == null ? 'none' : entry['default']}
  sets     ${entry.tasks ? entry.tasks.join(', ') : 'the run'}
"""
}

def help_of_all() {
    def usage = """entoflow: from a few labels to a detector you can trust

  nextflow run . -profile demo
  nextflow run . --boxes SRC --labelled_images SRC --target NAME \\
                 [--test_boxes SRC] [--audit_boxes SRC]
  nextflow run . --boxes SRC [--test_boxes SRC]
  nextflow run . --specimens SRC [--unlabelled SRC] [--gallery DIR]
  nextflow run . --model DIR --predict SRC
"""
    def shown = entries().findAll { entry -> !entry.hidden }.groupBy { entry -> entry.group }
    def blocks = shown.collect { group, members ->
        "\n${group}\n" + members.collect { entry -> line_of(entry) }.join('\n')
    }
    return usage + blocks.join('\n') + '\n'
}

// A parameter's description, in lines of at most 90 letters.
def line_of(entry) {
    def more = entry['default'] == null ? '' : " (default ${entry['default']})"
    def lines = (entry.description + more).tokenize(' ').inject(['']) { lines, word ->
        if( lines.last().size() + word.size() >= 90 )
            return lines + [word]
        return lines.init() + ["${lines.last()} ${word}".toString().trim()]
    }
    return "  --${entry.name.padRight(20)}" + lines.join('\n' + ' ' * 24)
}
