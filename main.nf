include {
    chains_to_run; complaints; help; input_paths; task_settings; typed
} from './modules/lib/params'
include { conflicts; unwritable } from './modules/lib/conflicts'
include {
    ended_by_signal; full; last_words; left_out; now; places; sentence; write_index
    write_run_info
} from './modules/lib/results'
include { DEMO } from './subworkflows/demo/main'
include { ENTOFLOW } from './entoflow'

workflow {
    // A plain map, as asking `params` for what was not given warns.
    parameters = params.collectEntries { name, value -> [name, value] }
    if( parameters.help ) {
        println(help(parameters))
        return
    }
    problems = complaints(parameters) + conflicts(parameters) + unwritable(parameters.outdir)
    if( problems )
        error("Parameters:\n  ${problems.join('\n  ')}")
    options = typed(parameters)
    settings = task_settings(parameters)
    outdir = file(options.outdir)
    start_time = now(outdir)

    inputs = input_paths(options).collectEntries { name, list -> [name, channel.fromList(list)] }
    inputs = inputs + [gallery: options.gallery, detector: options.detector_model]
    demo_chains = options.demo ? options.demo_chains.tokenize(',') : []
    if( demo_chains ) {
        DEMO(demo_chains, options.demo_species, options.demo_events, settings)
        inputs = inputs + [
            boxes: DEMO.out.boxes,
            labelled_images: DEMO.out.labelled_images,
            test_boxes: DEMO.out.test_boxes,
            audit_boxes: DEMO.out.audit_boxes,
            specimens: DEMO.out.specimens,
            unlabelled: DEMO.out.unlabelled,
            recordings: DEMO.out.recordings,
        ]
    }
    chains = chains_to_run(options)
    families = options.families.tokenize(',')
    used = options.findAll { name, value -> value != null && name != 'outdir' }.sort()
    params_json = groovy.json.JsonOutput.toJson(used)
    target = options.target ?: ''
    ENTOFLOW(inputs, chains, target, options.weights, families, settings, params_json)

    ending = last_words()
    workflow.onComplete = {
        if( ended_by_signal(workflow.errorMessage, ending) || full([outdir]) )
            return
        def versions = [
            entoflow: workflow.manifest.version,
            revision: workflow.commitId,
            nextflow: nextflow.version.toString(),
            java: System.getProperty('java.version'),
        ]
        write_run_info(outdir, options, versions)
        if( workflow.success ) {
            def stale = write_index(outdir, start_time, chains)
            ending.lines = left_out(chains, outdir) + stale + places(chains, outdir, options)
        }
    }
    workflow.onError = {
        if( ended_by_signal(workflow.errorMessage, ending) )
            return
        def cause = sentence(workflow.errorReport) ?: full([workflow.workDir, outdir])
        if( cause )
            ending.lines = [cause]
    }
}
