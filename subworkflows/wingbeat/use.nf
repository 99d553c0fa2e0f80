include { suite } from '../../modules/lib/suite'
include { fingerprint; numbered } from '../../modules/lib/sources'
include { IMPORT_RECORDINGS } from '../../modules/local/wingbeat/import_recordings'
include { NAME_EVENTS } from '../../modules/local/wingbeat/name_events'
include { WRITE_AUDIT as WRITE_NAMING_AUDIT } from '../../modules/local/suite/write_audit'

workflow NAMING {
    take:
    recordings // channel of paths: sources of recordings: folders, CSV recording[,start][,end], single recordings
    model      // channel of one list: the files of a model folder of the wingbeat chain
    settings   // map: task name -> its settings

    main:
    importer = suite('import_recordings', settings)
    sources = recordings.map { source -> ['predict', source] }
        .toSortedList { a, b -> a.toString() <=> b.toString() }
        .flatMap { list -> numbered(list) }
        .map { role, name, source -> [role, name, source, fingerprint(source, importer)] }
    IMPORT_RECORDINGS(sources, importer)
    datasets = IMPORT_RECORDINGS.out.dataset.map { _role, dataset -> dataset }.toSortedList { a, b -> a.name <=> b.name }
    signals = IMPORT_RECORDINGS.out.signals.map { _role, samples -> samples }.toSortedList { a, b -> a.name <=> b.name }
    NAME_EVENTS(datasets, signals, model, suite('name_events', settings))
    WRITE_NAMING_AUDIT(IMPORT_RECORDINGS.out.audit.toSortedList { a, b -> a.name <=> b.name }, suite('write_audit', settings))
    predictions_csv = NAME_EVENTS.out.predictions_csv
    predictions_json = NAME_EVENTS.out.predictions_json
    pictures = NAME_EVENTS.out.pictures
    audit = WRITE_NAMING_AUDIT.out.audit

    emit:
    predictions_csv  // path: CSV recording,start,end,label,score,f0_hz,verdict
    predictions_json // path: the same as JSON
    pictures         // paths: PNG of some events, none where most_pictures is 0
    audit            // path: JSON of what was left out and why
}
