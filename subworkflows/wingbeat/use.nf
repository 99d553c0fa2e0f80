include { by_name; of_every_role } from '../../modules/lib/channels'
include { import_sources } from '../../modules/lib/sources'
include { suite } from '../../modules/lib/suite'
include { IMPORT_RECORDINGS } from '../../modules/local/wingbeat/import_recordings'
include { NAME_EVENTS } from '../../modules/local/wingbeat/name_events'
include { WRITE_AUDIT as WRITE_NAMING_AUDIT } from '../../modules/local/suite/write_audit'

// The names of the events in recordings that no chain has heard, by a model of WINGBEAT.
workflow USE_WINGBEAT {
    take:
    recordings // channel of paths: sources of recordings: folders, CSV recording[,start][,end],
               // single recordings
    model      // channel of one list: the files of a model folder of the wingbeat chain
    settings   // map: task name -> its settings

    main:
    importer = suite('import_recordings', settings)
    IMPORT_RECORDINGS(import_sources([predict: recordings], importer), importer)
    NAME_EVENTS(
        by_name(of_every_role(IMPORT_RECORDINGS.out.dataset)),
        by_name(of_every_role(IMPORT_RECORDINGS.out.signals)),
        model,
        suite('name_events', settings),
    )
    WRITE_NAMING_AUDIT(by_name(IMPORT_RECORDINGS.out.audit), suite('write_audit', settings))

    predictions_csv = NAME_EVENTS.out.predictions_csv
    predictions_json = NAME_EVENTS.out.predictions_json
    pictures = NAME_EVENTS.out.pictures
    audit = WRITE_NAMING_AUDIT.out.audit

    emit:
    predictions_csv  // path: CSV recording,start,end,label,score,f0_hz,verdict
    predictions_json // path: the same as JSON
    pictures         // paths: PNG of some events, none where most_pictures is 0
    audit            // path: JSON of what was left out, and why
}
