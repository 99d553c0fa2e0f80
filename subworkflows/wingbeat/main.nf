include { suite } from '../../modules/lib/suite'
include { fingerprint; numbered } from '../../modules/lib/sources'
include { IMPORT_RECORDINGS } from '../../modules/local/wingbeat/import_recordings'
include { SPLIT_RECORDINGS } from '../../modules/local/wingbeat/split_recordings'
include { EXTRACT_FEATURES } from '../../modules/local/wingbeat/extract_features'
include { TRAIN_FAMILY } from '../../modules/local/wingbeat/train_family'
include { COMPARE_FAMILIES } from '../../modules/local/wingbeat/compare_families'
include { WRITE_AUDIT as WRITE_WINGBEAT_AUDIT } from '../../modules/local/suite/write_audit'

workflow WINGBEAT {
    take:
    recordings // channel of paths: sources of labelled recordings
    families   // value: list of the families to compare, of features, random_convolutions, image, rnn and transformer
    settings   // map: task name -> its settings, e.g. [split_recordings: [folds: 10]]

    main:
    importer = suite('import_recordings', settings)
    sources = recordings.map { source -> ['recordings', source] }
        .toSortedList { a, b -> a.toString() <=> b.toString() }
        .flatMap { list -> numbered(list) }
        .map { role, name, source -> [role, name, source, fingerprint(source, importer)] }
    IMPORT_RECORDINGS(sources, importer)
    datasets = IMPORT_RECORDINGS.out.dataset.map { _role, dataset -> dataset }.toSortedList { a, b -> a.name <=> b.name }
    signals = IMPORT_RECORDINGS.out.signals.map { _role, samples -> samples }.toSortedList { a, b -> a.name <=> b.name }
    SPLIT_RECORDINGS(datasets, signals, suite('split_recordings', settings))
    clips = SPLIT_RECORDINGS.out.clips
    EXTRACT_FEATURES(clips, signals, suite('extract_features', settings))
    features = EXTRACT_FEATURES.out.features
    // Each fold is a task of each family, and learning from all is one more.
    folds = SPLIT_RECORDINGS.out.folds.splitCsv(header: true).map { row -> [row.partition, row.fold] }.mix(channel.of(['', '']))
    code = channel.fromList(families).map { family -> [family, suite("train_${family}", settings)] }
    TRAIN_FAMILY(code.combine(folds).map { family, own, partition, fold -> [family, partition, fold] + own }, clips, features)
    predictions = TRAIN_FAMILY.out.predictions.toSortedList { a, b -> a.name <=> b.name }
    models = TRAIN_FAMILY.out.model.toSortedList { a, b -> a.name <=> b.name }
    COMPARE_FAMILIES(clips, features, predictions, models, suite('compare_families', settings))
    WRITE_WINGBEAT_AUDIT(IMPORT_RECORDINGS.out.audit.mix(SPLIT_RECORDINGS.out.audit).toSortedList { a, b -> a.name <=> b.name }, suite('write_audit', settings))
    split = SPLIT_RECORDINGS.out.split
    table = EXTRACT_FEATURES.out.table
    family_models = TRAIN_FAMILY.out.model
    best = COMPARE_FAMILIES.out.best
    comparison = COMPARE_FAMILIES.out.comparison
    metrics = COMPARE_FAMILIES.out.metrics
    predictions = COMPARE_FAMILIES.out.predictions
    plots = COMPARE_FAMILIES.out.plots
    audit = WRITE_WINGBEAT_AUDIT.out.audit

    emit:
    split         // path: CSV recording,start,end,label,group,part: the fold in which each event is judged
    audit         // path: what was found, joined and left out, and why
    table         // path: CSV with a row of features for each event
    family_models // path: a model folder of each family, learned from all events
    best          // path: model folder of the family to ship, calibrated
    comparison    // path: JSON, every family on the same folds, and the verdict
    metrics       // path: JSON, what the chosen family is worth, the choice counted in
    predictions   // path: CSV recording,start,end,label,score,f0_hz,verdict of the held-out events
    plots         // paths: pictures
}
