// Parameters as nextflow_schema.json describes them: checked, typed, turned into the tasks' settings, and shown by --help.
def entries() {
    def schema = new groovy.json.JsonSlurper().parse(file("${moduleDir}/../../nextflow_schema.json").toFile())
    return schema['$defs'].values().collectMany { group -> group.properties.collect { name, entry -> entry + [name: name, group: group.title] } }
}

// Every fault of the parameters given, a sentence each.
def complaints(Map given) {
    def known = entries().collectEntries { entry -> [entry.name, entry] }
    def unknown = given.keySet().findAll { name -> !name.contains('-') && !(name in known) }.collect { name -> // --max-epochs arrives as maxEpochs
        "--${name} is unknown; the nearest is --${nearest(name, known.keySet())}"
    }
    def wrong = known.values().findAll { entry -> given[entry.name] != null }.collect { entry -> [entry.name, problem(entry, given[entry.name])] }
    return unknown + wrong.findAll { pair -> pair[1] }.collect { pair -> "--${pair[0]} ${pair[1]}" }
}

def problem(entry, value) {
    def text = value.toString()
    def number = text.isBigDecimal() ? text.toBigDecimal() : null
    def fits = [string: true, integer: number != null && number == number.toBigInteger(), number: number != null, boolean: text in ['true', 'false']]
    if( entry.name == 'help' )
        return null
    if( entry.type == 'string' && (value == true && !('true' in (entry['enum'] ?: [])) || text.trim() == '') )
        return 'is given without a value'
    if( !fits[entry.type] )
        return "wants ${[integer: 'a whole number', number: 'a number', boolean: 'true or false'][entry.type]}, got '${value}'"
    if( entry['enum'] && !(text in entry['enum']) )
        return "is one of ${entry['enum'].join(', ')}, not '${value}'"
    if( entry.minimum != null && number < entry.minimum )
        return "is at least ${entry.minimum}, not ${value}"
    if( entry.maximum != null && number > entry.maximum )
        return "is at most ${entry.maximum}, not ${value}"
    def absent = entry.files ? paths(text).findAll { path -> !path.exists() } : []
    return absent ? "names ${absent[0]}, which does not exist" : null
}

// The sources a parameter names: one path, or several joined by commas.
def paths(text) {
    if( text == null )
        return []
    return file(text.toString(), glob: false).exists() ? [file(text.toString(), glob: false)] : text.toString().tokenize(',').collect { path -> file(path.trim(), glob: false) }
}

// All parameters with their types; newer Nextflow passes the command line's as strings, and the string 'false' is true.
def typed(Map given) {
    return entries().findAll { entry -> entry.name != 'help' }.collectEntries { entry -> [entry.name, shaped(entry.type, given[entry.name] == null ? entry['default'] : given[entry.name])] }
}

def shaped(type, value) {
    def text = value.toString()
    return value == null ? null : type == 'boolean' ? text == 'true' : type == 'integer' ? text.toBigDecimal().intValue() : type == 'number' ? text.toBigDecimal() : text
}

// What was given, by task: [train_detector: [max_epochs: 50]]. What was not keeps the script's default.
def task_settings(Map given) {
    def chosen = entries().findAll { entry -> entry.tasks && given[entry.name] != null }
    return chosen.collectMany { entry -> entry.tasks.collect { task -> [task, entry.name, shaped(entry.type, given[entry.name])] } }
        .groupBy { row -> row[0] }
        .collectEntries { task, rows -> [task, rows.collectEntries { row -> [row[1], row[2]] }] }
}

def nearest(word, names) {
    return names.min { name -> distance(word, name) }
}

// Levenshtein's edit distance, a row of the table at a time
def distance(a, b) {
    def last = a.toList().inject((0..b.size()).toList()) { row, letter ->
        b.toList().withIndex().inject([row[0] + 1]) { next, pair ->
            next + [[row[pair[1] + 1] + 1, next.last() + 1, row[pair[1]] + (pair[0] == letter ? 0 : 1)].min()]
        }
    }
    return last.last()
}

// The text of --help: every parameter by chain, or one in full.
def help(Map given) {
    def names = entries().collect { entry -> entry.name } - 'help'
    def one = given.help.toString() in names ? given.help.toString() : names.find { name -> given[name] == true }
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
  nextflow run . --boxes SRC --labelled_images SRC --target NAME [--test_boxes SRC] [--audit_boxes SRC]
  nextflow run . --boxes SRC [--test_boxes SRC]
  nextflow run . --specimens SRC [--unlabelled SRC] [--gallery DIR]
  nextflow run . --model DIR --predict SRC
"""
    def shown = entries().findAll { entry -> !entry.hidden }.groupBy { entry -> entry.group }
    return usage + shown.collect { group, members -> "\n${group}\n" + members.collect { entry -> line_of(entry) }.join('\n') }.join('\n') + '\n'
}

def line_of(entry) {
    def text = entry.description + (entry['default'] == null ? '' : " (default ${entry['default']})")
    def lines = text.tokenize(' ').inject(['']) { lines, word ->
        lines.last().size() + word.size() < 90 ? lines.init() + ["${lines.last()} ${word}".toString().trim()] : lines + [word]
    }
    return "  --${entry.name.padRight(20)}" + lines.join('\n' + ' ' * 24)
}
