include {
    by_name; of_every_role; weights_to_fetch; with_name_start; with_packs
} from '../../modules/lib/channels'
include { report_files } from '../../modules/lib/results'
include { suite } from '../../modules/lib/suite'
include { AUDIT_LABELS } from '../../modules/local/identification/audit_labels'
include { CHOOSE_EMBEDDER } from '../../modules/local/identification/choose_embedder'
include { EMBED_IMAGES } from '../../modules/local/identification/embed_images'
include {
    EVALUATE_IDENTIFICATION
} from '../../modules/local/identification/evaluate_identification'
include { FETCH_BACKBONE } from '../../modules/local/identification/fetch_backbone'
include { SPLIT_SPECIMENS } from '../../modules/local/identification/split_specimens'
include { TRAIN_EMBEDDER } from '../../modules/local/identification/train_embedder'

// From labelled specimens to the embedder that does best on the validation part, and its figures.
workflow LEARN_EMBEDDER {
    take:
    datasets      // channel of [role, path]: data sets of the specimens and the unlabelled images
    packs_by_role // channel of [role, paths]: the packs of their images
    weights       // value: 'pretrained', 'none' or a path: what the embedder starts from
    settings      // map: task name -> its settings

    main:
    packs = by_name(of_every_role(packs_by_role))
    SPLIT_SPECIMENS(by_name(of_every_role(datasets)), suite('split_specimens', settings))
    specimens = SPLIT_SPECIMENS.out.specimens
    to_fetch = channel.fromList(weights_to_fetch(weights))
    FETCH_BACKBONE(to_fetch, suite('fetch_backbone', settings))
    TRAIN_EMBEDDER(
        specimens,
        with_packs(specimens, packs, ['train', 'validation', 'rest']),
        FETCH_BACKBONE.out.weights.ifEmpty([]).first(),
        suite('train_embedder', settings),
    )
    models = TRAIN_EMBEDDER.out.models.map { folders ->
        [folders].flatten().sort { folder -> folder.name }
    }
    EMBED_IMAGES(
        of_every_role(packs_by_role).combine(models.toList()),
        suite('embed_images', settings, [baselines: 'true']),
    )
    embeddings = EMBED_IMAGES.out.embeddings
    // Not those of unlabelled images: one photo more to identify re-runs nothing here.
    specimen_embeddings = by_name(with_name_start(embeddings, 'specimens_'))
    CHOOSE_EMBEDDER(specimens, specimen_embeddings, models, suite('choose_embedder', settings))
    embedder = CHOOSE_EMBEDDER.out.embedder
    comparison = CHOOSE_EMBEDDER.out.comparison
    EVALUATE_IDENTIFICATION(
        specimens,
        specimen_embeddings,
        embedder,
        comparison,
        suite('evaluate_identification', settings),
    )
    AUDIT_LABELS(
        specimens,
        specimen_embeddings,
        comparison,
        with_packs(specimens, packs),
        suite('audit_labels', settings),
    )

    split = SPLIT_SPECIMENS.out.split
    audit = SPLIT_SPECIMENS.out.audit
    training = TRAIN_EMBEDDER.out.training
    metrics = EVALUATE_IDENTIFICATION.out.metrics
    predictions = EVALUATE_IDENTIFICATION.out.predictions
    plots = EVALUATE_IDENTIFICATION.out.plots
    label_audit = AUDIT_LABELS.out.table
    for_report = report_files([
        SPLIT_SPECIMENS: SPLIT_SPECIMENS.out,
        TRAIN_EMBEDDER: TRAIN_EMBEDDER.out,
        CHOOSE_EMBEDDER: CHOOSE_EMBEDDER.out,
        EVALUATE_IDENTIFICATION: EVALUATE_IDENTIFICATION.out,
        AUDIT_LABELS: AUDIT_LABELS.out,
    ])

    emit:
    specimens   // path: data set of all specimens with their parts
    embeddings  // paths: vectors of the images of each pack, by every embedder
    embedder    // path: model folder
    split       // path: CSV, group and part of each specimen
    audit       // path: JSON of what the split left out, and why
    training    // path: CSV, a row per epoch
    comparison  // path: JSON, each embedder with each head on validation specimens
    metrics     // path: JSON of the figures on test specimens
    predictions // path: CSV, the name of each test and unseen specimen
    plots       // paths: PNG
    label_audit // path: CSV, labels that are worth a check
    for_report  // tuples: folder under --outdir, file
}
