include { complaints; help; paths; task_settings; typed } from './modules/local/params'
include { left_out; sentence; write_index } from './modules/local/results'
include { suite } from './modules/local/suite'
include { MAKE_DEMO } from './modules/local/make_demo'
include { WRITE_REPORT } from './modules/local/write_report'
include { DETECTION } from './subworkflows/detection/main'
include { PREDICTION } from './subworkflows/prediction/main'

// The suite without parameters: `sources` maps each input's name to a channel of paths (empty where it is not given).
workflow ENTOFLOW {
    take:
    sources  // map: boxes, labelled_images, test_boxes, audit_boxes, model, predict -> channel of paths
    chains   // list: the chains to run, of 'detection' and 'prediction'
    target   // value: label whose detector is wanted, '' for none
    weights  // value: 'pretrained', 'none' or a path
    settings // map: task name -> its settings
    told     // value: JSON text of what the report tells of the run's parameters

    main:
    report = channel.empty()
    if( 'detection' in chains ) {
        DETECTION(sources.boxes, sources.labelled_images, sources.test_boxes, sources.audit_boxes, target, weights, settings)
        curves = DETECTION.out.training.branch { name, _curve ->
            insect: name == 'insect_detector'
            target: true
        }
        WRITE_REPORT(
            DETECTION.out.split.mix(DETECTION.out.audit).toSortedList { a, b -> a.name <=> b.name },
            DETECTION.out.insect_detector.mix(curves.insect.map { _name, curve -> curve }).flatten().toSortedList { a, b -> a.name <=> b.name },
            DETECTION.out.weak_boxes.mix(DETECTION.out.quality).flatten().toSortedList { a, b -> a.name <=> b.name },
            DETECTION.out.target_detector.mix(curves.target.map { _name, curve -> curve }).flatten().toSortedList { a, b -> a.name <=> b.name },
            DETECTION.out.metrics.toSortedList(),
            DETECTION.out.plots.flatten().toSortedList { a, b -> a.name <=> b.name },
            told,
            suite('write_report', settings),
        )
        report = WRITE_REPORT.out.report
    }
    if( 'prediction' in chains ) {
        PREDICTION(sources.predict, sources.model.collect(), settings)
    }

    emit:
    report // path: one self-contained HTML page
}

workflow {
    asked = params.collectEntries { name, value -> [name, value] } // a plain map: asking params for what was not given warns
    if( asked.help ) {
        println(help(asked))
        return
    }
    found = complaints(asked) + conflicts(asked)
    if( found )
        error("Parameters:\n  ${found.join('\n  ')}")
    given = typed(asked)
    settings = task_settings(asked)
    outdir = file(given.outdir)
    writable(outdir)

    sources = ['boxes', 'labelled_images', 'test_boxes', 'audit_boxes', 'predict'].collectEntries { name -> [name, channel.fromList(paths(given[name]))] }
    sources.model = channel.fromList(paths(given.model).collectMany { folder -> folder.listFiles().findAll { item -> item.isFile() } })
    if( given.demo ) {
        MAKE_DEMO(suite('make_demo', settings))
        world = MAKE_DEMO.out.folder
        sources.boxes = world.map { folder -> folder.resolve('boxes/annotations.json') }
        sources.labelled_images = world.map { folder -> folder.resolve('labelled/labels.csv') }
        sources.test_boxes = world.map { folder -> folder.resolve('test_boxes.json') }
        sources.audit_boxes = world.map { folder -> folder.resolve('audit_boxes.json') }
    }
    told = groovy.json.JsonOutput.toJson(given.findAll { name, value -> value != null && name != 'outdir' }.sort())
    chains = (given.boxes || given.demo ? ['detection'] : []) + (given.predict ? ['prediction'] : [])
    ENTOFLOW(sources, chains, given.target ?: '', given.weights, settings, told)

    workflow.onComplete = {
        def info = outdir.resolve('pipeline_info')
        info.mkdirs()
        info.resolve('params.json').text = groovy.json.JsonOutput.prettyPrint(groovy.json.JsonOutput.toJson(given)) + '\n'
        info.resolve('software_versions.json').text = groovy.json.JsonOutput.prettyPrint(groovy.json.JsonOutput.toJson([entoflow: workflow.manifest.version, revision: workflow.commitId, nextflow: nextflow.version.toString(), java: System.getProperty('java.version')])) + '\n'
        if( workflow.success ) {
            write_index(outdir)
            chains.each { chain ->
                def out = left_out(outdir.resolve("${chain}/audit.json"))
                println(out ? "Left out or mended, each with a row in ${outdir}/${chain}/audit.json: ${out.join(', ')}." : "${chain}: nothing was left out.")
            }
            println(chains.contains('detection') ? "The report: ${outdir}/report.html" : "The predictions: ${outdir}/prediction/predictions.csv")
        }
    }
    workflow.onError = {
        def said = sentence(workflow.errorReport)
        if( said )
            println(said)
    }
}

// What no parameter is wrong by itself in, but several are together.
def conflicts(given) {
    def nothing = !given.boxes && !given.predict && !given.demo
    return [
        nothing ? 'nothing to do: give --boxes, or --model with --predict, or -profile demo; --help lists all' : null,
        given.labelled_images && !given.target ? '--labelled_images needs --target: which of its labels is to be found?' : null,
        given.target && !given.labelled_images && !given.demo ? '--target needs --labelled_images: photos that carry this label' : null,
        given.labelled_images && !given.boxes ? '--labelled_images needs --boxes: the insect detector learns from them' : null,
        given.audit_boxes && !given.labelled_images ? '--audit_boxes needs --labelled_images: they are true boxes of those photos' : null,
        given.test_boxes && !given.boxes ? '--test_boxes needs --boxes: a detector to test' : null,
        given.predict && !given.model ? '--predict needs --model: the folder of the detector to run' : null,
        given.model && !given.predict ? '--model needs --predict: the images to run it on' : null,
        given.weights && !(given.weights.toString() in ['pretrained', 'none']) && !file(given.weights.toString()).exists() ? "--weights names ${given.weights}, which does not exist; wanted pretrained, none or a file" : null,
    ].findAll { text -> text }
}

def writable(outdir) {
    try {
        outdir.mkdirs()
        def probe = outdir.resolve(".entoflow_${UUID.randomUUID()}")
        probe.text = ''
        probe.delete()
    }
    catch( Exception problem ) {
        error("--outdir ${outdir}: cannot be written to (${problem.class.simpleName}); wanted a folder with room and permission")
    }
}
