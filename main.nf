include { complaints; help; paths; task_settings; typed } from './modules/local/params'
include { full; last_words; left_out; now; sentence; write_index } from './modules/local/results'
include { suite } from './modules/local/suite'
include { MAKE_DEMO } from './modules/local/make_demo'
include { WRITE_REPORT } from './modules/local/write_report'
include { DETECTION } from './subworkflows/detection/main'
include { PREDICTION } from './subworkflows/prediction/main'

// The suite without parameters: `sources` maps each input's name to a channel of paths (empty where it is not given).
workflow ENTOFLOW {
    take:
    sources  // map: boxes, labelled_images, test_boxes, audit_boxes, reviewed, model, predict -> channel of paths
    chains   // list: the chains to run, of 'detection' and 'prediction'
    target   // value: label whose detector is wanted, '' for none
    weights  // value: 'pretrained', 'none' or a path
    settings // map: task name -> its settings
    told     // value: JSON text of what the report tells of the run's parameters

    main:
    report = channel.empty()
    if( 'detection' in chains ) {
        DETECTION(sources.boxes, sources.labelled_images, sources.test_boxes, sources.audit_boxes, sources.reviewed, target, weights, settings)
        curves = DETECTION.out.training.branch { name, _curve ->
            insect: name == 'insect_detector'
            target: true
        }
        WRITE_REPORT(
            DETECTION.out.split.mix(DETECTION.out.audit).toSortedList { a, b -> a.name <=> b.name },
            DETECTION.out.insect_detector.mix(curves.insect.map { _name, curve -> curve }).flatten().toSortedList { a, b -> a.name <=> b.name },
            DETECTION.out.weak_boxes.mix(DETECTION.out.quality).flatten().toSortedList { a, b -> a.name <=> b.name },
            DETECTION.out.review.flatten().filter { path -> path.name in ['review.csv', 'review.png'] }.toSortedList { a, b -> a.name <=> b.name },
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
    found = complaints(asked) + conflicts(asked) + unwritable(asked.outdir)
    if( found )
        error("Parameters:\n  ${found.join('\n  ')}")
    given = typed(asked)
    settings = task_settings(asked)
    outdir = file(given.outdir)
    begun = now(outdir)

    sources = ['boxes', 'labelled_images', 'test_boxes', 'audit_boxes', 'reviewed', 'predict'].collectEntries { name -> [name, channel.fromList(paths(given[name]))] }
    sources.model = channel.fromList(given.model ? file(given.model).listFiles().findAll { item -> item.isFile() } : [])
    if( given.demo ) {
        MAKE_DEMO(suite('make_demo', settings))
        world = MAKE_DEMO.out.folder
        sources.boxes = world.map { folder -> folder.resolve('boxes/annotations.json') }
        sources.labelled_images = world.map { folder -> folder.resolve('labelled/labels.csv') }
        sources.test_boxes = world.map { folder -> folder.resolve('test_boxes.json') }
        sources.audit_boxes = world.map { folder -> folder.resolve('audit_boxes.json') }
    }
    told = groovy.json.JsonOutput.toJson(given.findAll { name, value -> value != null && name != 'outdir' }.sort())
    opens = [detection: "The report: ${outdir}/report.html", prediction: "The predictions: ${outdir}/prediction/predictions.csv"]
    chains = (given.boxes || given.demo ? ['detection'] : []) + (given.predict ? ['prediction'] : [])
    ENTOFLOW(sources, chains, given.target ?: '', given.weights, settings, told)

    workflow.onComplete = {
        if( full([outdir]) )
            return
        def info = outdir.resolve('pipeline_info')
        info.mkdirs()
        info.resolve('params.json').text = groovy.json.JsonOutput.prettyPrint(groovy.json.JsonOutput.toJson(given)) + '\n'
        info.resolve('software_versions.json').text = groovy.json.JsonOutput.prettyPrint(groovy.json.JsonOutput.toJson([entoflow: workflow.manifest.version, revision: workflow.commitId, nextflow: nextflow.version.toString(), java: System.getProperty('java.version')])) + '\n'
        if( workflow.success ) {
            def older = write_index(outdir, begun)
            last_words(chains.collect { chain -> left_out(chain, outdir.resolve("${chain}/audit.json")) } + older + chains.collect { chain -> opens[chain] })
        }
    }
    workflow.onError = {
        def said = sentence(workflow.errorReport) ?: full([workflow.workDir, outdir])
        if( said )
            last_words([said])
    }
}

// What no parameter is wrong by itself in, but several are together.
def conflicts(given) {
    def demo = given.demo.toString() == 'true'
    def nothing = !given.boxes && !given.predict && !demo
    return [
        nothing ? 'nothing to do: give --boxes, or --model with --predict, or -profile demo; --help lists all' : null,
        given.labelled_images && !given.target ? '--labelled_images needs --target: which of its labels is to be found?' : null,
        given.target && !given.labelled_images && !demo ? '--target needs --labelled_images: photos that carry this label' : null,
        given.labelled_images && !given.boxes ? '--labelled_images needs --boxes: the insect detector learns from them' : null,
        given.audit_boxes && !given.labelled_images ? '--audit_boxes needs --labelled_images: they are true boxes of those photos' : null,
        given.reviewed && !given.labelled_images && !demo ? '--reviewed needs --labelled_images: it corrects the boxes of those photos' : null,
        given.reviewed && in_review(given) ? "--reviewed lies in ${given.outdir}/detection/weak_boxes/review, which this run writes anew; copy that folder elsewhere and give the copy" : null,
        given.test_boxes && !given.boxes ? '--test_boxes needs --boxes: a detector to test' : null,
        given.architecture.toString().startsWith('fcos') && given.detector.toString() != 'torchvision' ? "--architecture ${given.architecture} needs --detector torchvision" : null,
        given.architecture.toString().startsWith('yolo') && given.detector.toString() == 'torchvision' ? "--architecture ${given.architecture} needs --detector yolo" : null,
        given.predict && !given.model ? '--predict needs --model: the folder of the detector to run' : null,
        given.model && !given.predict ? '--model needs --predict: the images to run it on' : null,
        given.model && !file(given.model.toString()).resolve('model.json').exists() ? "--model names ${given.model}, which holds no model.json; wanted a model folder that entoflow wrote" : null,
        demo && (given.boxes || given.labelled_images || given.test_boxes || given.audit_boxes) ? '-profile demo draws its own data: leave it out, or --boxes, --labelled_images, --test_boxes and --audit_boxes' : null,
        given.weights && !(given.weights.toString() in ['pretrained', 'none']) && !file(given.weights.toString()).exists() ? "--weights names ${given.weights}, which does not exist; wanted pretrained, none or a file" : null,
    ].findAll { text -> text }
}

// A person's work would be lost there.
def in_review(given) {
    def review = file(given.outdir.toString()).resolve('detection/weak_boxes/review').toAbsolutePath().normalize()
    return paths(given.reviewed).any { path -> path.toAbsolutePath().normalize().startsWith(review) }
}

// Tried, as neither permissions nor room can be read off a folder. A list of one sentence, or of none.
def unwritable(folder) {
    if( folder == true ) // --outdir without its value is a complaint already
        return []
    def outdir = file(folder.toString())
    try {
        now(outdir)
        return []
    }
    catch( Exception _problem ) {
        return ["--outdir ${outdir} cannot be written to; wanted a folder with room and permission"]
    }
}
