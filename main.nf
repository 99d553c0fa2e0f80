include { complaints; entries; help; paths; task_settings; typed } from './modules/lib/params'
include { full; last_words; left_out; now; sentence; write_index } from './modules/lib/results'
include { suite } from './modules/lib/suite'
include { MAKE_DEMO } from './modules/local/demo/make_demo'
include { MAKE_RECORDINGS } from './modules/local/demo/make_recordings'
include { MAKE_SPECIMENS } from './modules/local/demo/make_specimens'
include { WRITE_REPORT } from './modules/local/suite/write_report'
include { DETECTION } from './subworkflows/detection/main'
include { IDENTIFICATION } from './subworkflows/identification/main'
include { NAMING } from './subworkflows/wingbeat/use'
include { PREDICTION } from './subworkflows/detection/use'
include { WINGBEAT } from './subworkflows/wingbeat/main'

// The suite without parameters: `sources` maps each input's name to a channel of paths (empty where it is not given).
workflow ENTOFLOW {
    take:
    sources  // map: boxes, labelled_images, test_boxes, audit_boxes, reviewed, specimens, unlabelled, reviewed_clusters, recordings, model, predict -> channel of paths; gallery, detector -> path or null
    chains   // list: the chains to run, of 'detection', 'identification', 'wingbeat', 'prediction' (images) and 'naming' (recordings)
    target   // value: label whose detector is wanted, '' for none
    weights  // value: 'pretrained', 'none' or a path
    families // list: the families of sound models to compare
    settings // map: task name -> its settings
    told     // value: JSON text of what the report tells of the run's parameters

    main:
    // What the report tells of, by the folder of the results: nothing of a chain that does not run.
    files = ['detection', 'insect_detector', 'weak_boxes', 'review', 'target_detector', 'evaluation', 'plots', 'identification', 'embedder', 'identification_evaluation', 'identification_plots', 'wingbeat', 'wingbeat_evaluation', 'wingbeat_plots'].collectEntries { name -> [name, channel.empty()] }
    if( 'detection' in chains ) {
        DETECTION(sources.boxes, sources.labelled_images, sources.test_boxes, sources.audit_boxes, sources.reviewed, target, weights, settings)
        curves = DETECTION.out.training.branch { name, _curve ->
            insect: name == 'insect_detector'
            target: true
        }
        files.detection = DETECTION.out.split.mix(DETECTION.out.audit)
        files.insect_detector = DETECTION.out.insect_detector.mix(curves.insect.map { _name, curve -> curve }).flatten()
        files.weak_boxes = DETECTION.out.weak_boxes.mix(DETECTION.out.quality).flatten()
        files.review = DETECTION.out.review.flatten().filter { path -> path.name in ['review.csv', 'review.png'] }
        files.target_detector = DETECTION.out.target_detector.mix(curves.target.map { _name, curve -> curve }).flatten()
        files.evaluation = DETECTION.out.metrics
        files.plots = DETECTION.out.plots.flatten()
    }
    if( 'identification' in chains ) {
        IDENTIFICATION(sources.specimens, sources.unlabelled, sources.reviewed_clusters, sources.gallery, sources.detector, weights, settings)
        files.identification = IDENTIFICATION.out.split.mix(IDENTIFICATION.out.audit, IDENTIFICATION.out.training, IDENTIFICATION.out.enrolment, IDENTIFICATION.out.identified, IDENTIFICATION.out.clusters, IDENTIFICATION.out.label_audit)
        files.embedder = IDENTIFICATION.out.embedder.map { folder -> folder.resolve('model.json') }
        files.identification_evaluation = IDENTIFICATION.out.metrics.mix(IDENTIFICATION.out.ladder)
        files.identification_plots = IDENTIFICATION.out.plots.flatten()
    }
    if( 'wingbeat' in chains ) {
        WINGBEAT(sources.recordings, families, settings)
        files.wingbeat = WINGBEAT.out.split.mix(WINGBEAT.out.audit, WINGBEAT.out.comparison)
        files.wingbeat_evaluation = WINGBEAT.out.metrics
        files.wingbeat_plots = WINGBEAT.out.plots.flatten()
    }
    report = channel.empty()
    if( chains.any { chain -> !(chain in ['prediction', 'naming']) } ) {
        listed = files.collectEntries { name, found -> [name, found.toSortedList { a, b -> a.name <=> b.name }] }
        WRITE_REPORT(
            listed.detection, listed.insect_detector, listed.weak_boxes, listed.review, listed.target_detector, listed.evaluation, listed.plots,
            listed.identification, listed.embedder, listed.identification_evaluation, listed.identification_plots,
            listed.wingbeat, listed.wingbeat_evaluation, listed.wingbeat_plots, told, suite('write_report', settings),
        )
        report = WRITE_REPORT.out.report
    }
    if( 'prediction' in chains ) {
        PREDICTION(sources.predict, sources.model.collect(), settings)
    }
    if( 'naming' in chains ) {
        NAMING(sources.predict, sources.model.collect(), settings)
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

    sources = ['boxes', 'labelled_images', 'test_boxes', 'audit_boxes', 'reviewed', 'specimens', 'unlabelled', 'recordings', 'predict'].collectEntries { name -> [name, channel.fromList(paths(given[name]))] }
    sources.model = channel.fromList(given.model ? file(given.model).listFiles().findAll { item -> item.isFile() } : [])
    sources.gallery = given.gallery
    sources.detector = given.detector_model
    sources.reviewed_clusters = given.unlabelled ? sources.reviewed : channel.empty()
    sources.reviewed = given.unlabelled ? channel.empty() : sources.reviewed
    drawn = given.demo ? given.demo_chains.tokenize(',') : []
    if( 'detection' in drawn ) {
        MAKE_DEMO(suite('make_demo', settings))
        world = MAKE_DEMO.out.folder
        sources.boxes = world.map { folder -> folder.resolve('boxes/annotations.json') }
        sources.labelled_images = world.map { folder -> folder.resolve('labelled/labels.csv') }
        sources.test_boxes = world.map { folder -> folder.resolve('test_boxes.json') }
        sources.audit_boxes = world.map { folder -> folder.resolve('audit_boxes.json') }
    }
    if( 'identification' in drawn ) {
        MAKE_SPECIMENS(suite('make_specimens', settings, [classes: given.demo_species]))
        collection = MAKE_SPECIMENS.out.folder
        sources.specimens = collection.map { folder -> folder.resolve('collection.csv') }
        sources.unlabelled = collection.map { folder -> folder.resolve('unlabelled') }
    }
    if( 'wingbeat' in drawn ) {
        MAKE_RECORDINGS(suite('make_recordings', settings, [events: given.demo_events]))
        sources.recordings = MAKE_RECORDINGS.out.folder.map { folder -> folder.resolve('recordings.csv') }
    }
    told = groovy.json.JsonOutput.toJson(given.findAll { name, value -> value != null && name != 'outdir' }.sort())
    opens = [detection: "The report: ${outdir}/report.html", identification: given.specimens || drawn ? "The gallery: ${outdir}/identification/gallery; the report: ${outdir}/report.html" : "The names: ${outdir}/identification/identified.csv; the report: ${outdir}/report.html", wingbeat: "The comparison: ${outdir}/wingbeat/comparison.json; the report: ${outdir}/report.html", prediction: "The predictions: ${outdir}/prediction/predictions.csv", naming: "The events and their names: ${outdir}/prediction/predictions.csv"]
    chains = (given.boxes || 'detection' in drawn ? ['detection'] : []) + (given.specimens || given.gallery || 'identification' in drawn ? ['identification'] : []) + (given.recordings || 'wingbeat' in drawn ? ['wingbeat'] : []) + (given.predict ? [is_a('wingbeat', given.model) ? 'naming' : 'prediction'] : [])
    ENTOFLOW(sources, chains, given.target ?: '', given.weights, given.families.tokenize(','), settings, told)

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
    def nothing = !given.boxes && !given.predict && !given.specimens && !given.gallery && !given.recordings && !demo
    def strange = (given.families ?: '').toString().tokenize(',').findAll { name -> !(name in family_names()) }
    return [
        nothing ? 'nothing to do: give --boxes, or --specimens, or --recordings, or --model with --predict, or -profile demo; --help lists all' : null,
        given.labelled_images && !given.target ? '--labelled_images needs --target: which of its labels is to be found?' : null,
        given.target && !given.labelled_images && !demo ? '--target needs --labelled_images: photos that carry this label' : null,
        given.labelled_images && !given.boxes ? '--labelled_images needs --boxes: the insect detector learns from them' : null,
        given.audit_boxes && !given.labelled_images ? '--audit_boxes needs --labelled_images: they are true boxes of those photos' : null,
        given.reviewed && !given.labelled_images && !given.unlabelled && !demo ? '--reviewed needs --labelled_images, whose boxes it corrects, or --unlabelled, whose clusters it names' : null,
        given.reviewed && given.labelled_images && given.unlabelled ? '--reviewed could be of --labelled_images or of --unlabelled: run the two chains one after the other' : null,
        given.reviewed && in_review(given) ? "--reviewed lies in ${in_review(given)}, which this run writes anew; copy it elsewhere and give the copy" : null,
        given.test_boxes && !given.boxes ? '--test_boxes needs --boxes: a detector to test' : null,
        given.architecture.toString().startsWith('fcos') && given.detector.toString() != 'torchvision' ? "--architecture ${given.architecture} needs --detector torchvision" : null,
        given.architecture.toString().startsWith('yolo') && given.detector.toString() == 'torchvision' ? "--architecture ${given.architecture} needs --detector yolo" : null,
        given.unlabelled && !given.specimens && !given.gallery ? '--unlabelled needs --specimens, or --gallery: names to give' : null,
        given.gallery && !given.specimens && !given.unlabelled ? '--gallery needs --specimens to enrol, or --unlabelled images to identify' : null,
        given.gallery && !file(given.gallery.toString()).resolve('gallery.json').exists() ? "--gallery names ${given.gallery}, which holds no gallery.json; wanted a gallery folder that entoflow wrote" : null,
        given.detector_model && !given.specimens && !given.gallery ? '--detector_model needs --specimens: images to crop' : null,
        given.detector_model && given.gallery ? '--detector_model does not go with --gallery, which crops as its specimens were cropped, by the detector in it, if any: leave it out' : null,
        given.detector_model && !is_a('detector', given.detector_model) ? "--detector_model names ${given.detector_model}, which holds no model.json of a detector; wanted a model folder such as results/detection/insect_detector" : null,
        given.boxes && given.specimens && given.weights && !(given.weights.toString() in ['pretrained', 'none']) ? '--weights FILE is for one network, but both --boxes and --specimens are given: run them one after the other' : null,
        given.predict && !given.model ? '--predict needs --model: the folder of the detector to run' : null,
        given.model && !given.predict ? '--model needs --predict: the images to run it on' : null,
        given.model && !file(given.model.toString()).resolve('model.json').exists() ? "--model names ${given.model}, which holds no model.json; wanted a model folder that entoflow wrote" : null,
        strange ? "--families names ${strange.join(', ')}; wanted some of ${family_names().join(',')}" : null,
        demo && ['boxes', 'labelled_images', 'test_boxes', 'audit_boxes', 'specimens', 'unlabelled', 'gallery', 'recordings'].any { name -> given[name] } ? '-profile demo draws its own data: leave it out, or what names yours' : null,
        given.weights && !(given.weights.toString() in ['pretrained', 'none']) && !file(given.weights.toString()).exists() ? "--weights names ${given.weights}, which does not exist; wanted pretrained, none or a file" : null,
    ].findAll { text -> text }
}

def family_names() {
    return entries().find { entry -> entry.name == 'families' }['default'].tokenize(',') // all are compared unless told otherwise
}

def is_a(kind, folder) {
    def facts = file(folder.toString()).resolve('model.json')
    return facts.exists() && facts.text =~ ('"kind"\\s*:\\s*"' + kind + '"')
}

// The folder of the results that holds what a person reviewed, or null: the work would be lost there.
def in_review(given) {
    def folders = ['detection/weak_boxes/review', 'identification/sheet'].collect { name -> file(given.outdir.toString()).resolve(name) }
    return folders.find { folder -> paths(given.reviewed).any { path -> path.toAbsolutePath().normalize().startsWith(folder.toAbsolutePath().normalize()) } }
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
