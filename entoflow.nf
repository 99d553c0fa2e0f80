include { by_place } from './modules/lib/channels'
include { suite } from './modules/lib/suite'
include { DETECTION } from './subworkflows/detection/main'
include { IDENTIFICATION } from './subworkflows/identification/main'
include { USE_DETECTOR } from './subworkflows/detection/use'
include { USE_WINGBEAT } from './subworkflows/wingbeat/use'
include { WINGBEAT } from './subworkflows/wingbeat/main'
include { WRITE_REPORT } from './modules/local/suite/write_report'

// The suite without parameters: some of its chains side by side, and one report of them.
workflow ENTOFLOW {
    take:
    inputs      // map: boxes, labelled_images, test_boxes, audit_boxes, reviewed, specimens,
                // unlabelled, reviewed_clusters, recordings, model, predict -> channel of paths,
                // empty where there is none; gallery, detector -> path or null
    chains      // list: of detection, identification, wingbeat, use_detector, use_wingbeat
    target      // value: the label to detect, '' for insects alone
    weights     // value: 'pretrained', 'none' or a path
    families    // list: the families of sound models to compare
    settings    // map: task name -> its settings
    params_json // value: JSON text of the run's parameters, for the report

    main:
    report_files = channel.empty()
    if( 'detection' in chains ) {
        DETECTION(
            inputs.boxes,
            inputs.labelled_images,
            inputs.test_boxes,
            inputs.audit_boxes,
            inputs.reviewed,
            target,
            weights,
            settings,
        )
        report_files = report_files.mix(DETECTION.out.for_report)
    }
    if( 'identification' in chains ) {
        IDENTIFICATION(
            inputs.specimens,
            inputs.unlabelled,
            inputs.reviewed_clusters,
            inputs.gallery,
            inputs.detector,
            weights,
            settings,
        )
        report_files = report_files.mix(IDENTIFICATION.out.for_report)
    }
    if( 'wingbeat' in chains ) {
        WINGBEAT(inputs.recordings, families, settings)
        report_files = report_files.mix(WINGBEAT.out.for_report)
    }
    if( 'use_detector' in chains ) {
        USE_DETECTOR(inputs.predict, inputs.model.collect(), settings)
    }
    if( 'use_wingbeat' in chains ) {
        USE_WINGBEAT(inputs.predict, inputs.model.collect(), settings)
    }
    WRITE_REPORT(by_place(report_files), params_json, suite('write_report', settings))
    report = WRITE_REPORT.out.report

    emit:
    report // path: one self-contained HTML page; nothing where no chain has a report
}
