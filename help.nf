// What main.nf prints for --help, without the modules, which take seconds to compile: ./nextflow starts it.
include { help } from './modules/local/params'

workflow {
    println(help(params.collectEntries { name, value -> [name, value] }))
}
