// What main.nf prints for --help, without compiling the modules, which takes seconds: ./nextflow
// starts it.
include { help } from './modules/lib/params'

workflow {
    println(help(params.collectEntries { name, value -> [name, value] }))
}
