include { by_name; of_every_role } from '../../modules/lib/channels'
include { report_files } from '../../modules/lib/results'
include { import_sources } from '../../modules/lib/sources'
include { suite } from '../../modules/lib/suite'
include { COMPARE_FAMILIES } from '../../modules/local/wingbeat/compare_families'
include { EXTRACT_FEATURES } from '../../modules/local/wingbeat/extract_features'
include { IMPORT_RECORDINGS } from '../../modules/local/wingbeat/import_recordings'
include { SPLIT_RECORDINGS } from '../../modules/local/wingbeat/split_recordings'
include { TRAIN_FAMILY } from '../../modules/local/wingbeat/train_family'
include { WRITE_AUDIT as WRITE_WINGBEAT_AUDIT } from '../../modules/local/suite/write_audit'

// From labelled recordings to the family of sound models to ship, compared on the same folds.
workflow WINGBEAT {
    take:
    recordings // channel of paths: sources of labelled recordings
    families   // value: list of families to compare: features, random_convolutions, image, rnn,
               // transformer
    settings   // map: task name -> its settings, e.g. [split_recordings: [folds: 10]]

    main:
    importer = suite('import_recordings', settings)
    IMPORT_RECORDINGS(import_sources([recordings: recordings], importer), importer)
    datasets = by_name(of_every_role(IMPORT_RECORDINGS.out.dataset))
    signals = by_name(of_every_role(IMPORT_RECORDINGS.out.signals))
    SPLIT_RECORDINGS(datasets, signals, suite('split_recordings', settings))
    clips = SPLIT_RECORDINGS.out.clips
    EXTRACT_FEATURES(clips, signals, suite('extract_features', settings))
    features = EXTRACT_FEATURES.out.features

    // Each fold is a task of each family, and training on all events is one more.
    folds = SPLIT_RECORDINGS.out.folds
        .splitCsv(header: true)
        .map { row -> [row.partition, row.fold] }
        .mix(channel.of(['', '']))
    family_folds = channel.fromList(families).combine(folds).map { family, partition, fold ->
        [family, partition, fold] + suite("train_${family}", settings)
    }
    TRAIN_FAMILY(family_folds, clips, features)
    COMPARE_FAMILIES(
        clips,
        features,
        by_name(TRAIN_FAMILY.out.predictions),
        by_name(TRAIN_FAMILY.out.model),
        suite('compare_families', settings),
    )
    audits = IMPORT_RECORDINGS.out.audit.mix(SPLIT_RECORDINGS.out.audit)
    WRITE_WINGBEAT_AUDIT(by_name(audits), suite('write_audit', settings))

    split = SPLIT_RECORDINGS.out.split
    table = EXTRACT_FEATURES.out.table
    family_models = TRAIN_FAMILY.out.model
    best = COMPARE_FAMILIES.out.best
    comparison = COMPARE_FAMILIES.out.comparison
    metrics = COMPARE_FAMILIES.out.metrics
    predictions = COMPARE_FAMILIES.out.predictions
    plots = COMPARE_FAMILIES.out.plots
    audit = WRITE_WINGBEAT_AUDIT.out.audit
    for_report = report_files([
        SPLIT_RECORDINGS: SPLIT_RECORDINGS.out,
        COMPARE_FAMILIES: COMPARE_FAMILIES.out,
        WRITE_WINGBEAT_AUDIT: WRITE_WINGBEAT_AUDIT.out,
    ])

    emit:
    split         // path: CSV recording,start,end,label,group,part: the fold that tests each event
    audit         // path: JSON of what was read, joined and left out, and why
    table         // path: CSV with a row of features for each event
    family_models // paths: a model folder of each family, trained on all events
    best          // path: model folder of the family to ship, calibrated
    comparison    // path: JSON, every family on the same folds, and the verdict
    metrics       // path: JSON, what the chosen family is worth, the choice included
    predictions   // path: CSV recording,start,end,label,score,f0_hz,verdict of held-out events
    plots         // paths: PNG
    for_report    // tuples: folder under --outdir, file
}
