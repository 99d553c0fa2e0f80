include { suite } from '../../modules/lib/suite'
include { fingerprint; numbered } from '../../modules/lib/sources'
include { files_of; packs_of } from '../../modules/lib/datasets'
include { IMPORT_IMAGES as IMPORT_SPECIMENS } from '../../modules/local/suite/import_images'
include { CROP_IMAGES } from '../../modules/local/identification/crop_images'
include { SPLIT_SPECIMENS } from '../../modules/local/identification/split_specimens'
include { FETCH_BACKBONE } from '../../modules/local/identification/fetch_backbone'
include { TRAIN_EMBEDDER } from '../../modules/local/identification/train_embedder'
include { EMBED_IMAGES } from '../../modules/local/identification/embed_images'
include { CHOOSE_EMBEDDER } from '../../modules/local/identification/choose_embedder'
include { EVALUATE_IDENTIFICATION } from '../../modules/local/identification/evaluate_identification'
include { ENROL_SPECIMENS } from '../../modules/local/identification/enrol_specimens'
include { AUDIT_LABELS } from '../../modules/local/identification/audit_labels'
include { LABEL_REVIEWED } from '../../modules/local/identification/label_reviewed'
include { IDENTIFY_IMAGES } from '../../modules/local/identification/identify_images'
include { CLUSTER_IMAGES } from '../../modules/local/identification/cluster_images'
include { WRITE_SHEET } from '../../modules/local/identification/write_sheet'
include { WRITE_MAP } from '../../modules/local/identification/write_map'
include { WRITE_AUDIT as WRITE_IDENTIFICATION_AUDIT } from '../../modules/local/suite/write_audit'

workflow IDENTIFICATION {
    take:
    specimens  // channel of paths: sources of labelled specimens; may be empty where a gallery is given
    unlabelled // channel of paths: sources of images to identify; may be empty
    reviewed   // channel of paths: tables of the cluster sheet that a person filled in, of these unlabelled images; may be empty
    gallery    // value: path of a gallery of an earlier run, whose embedder is used as it is; null to train one
    detector   // value: path of a detector's model folder, which images are cropped by; null for none, and with a gallery, which has its own
    weights    // value: 'pretrained', 'none' or the path of a file: what the embedder starts from
    settings   // map: task name -> its settings, e.g. [train_embedder: [max_epochs: 50]]

    main:
    importer = suite('import_images', settings)
    sources = specimens.map { source -> ['specimens', source] }
        .mix(unlabelled.map { source -> ['unlabelled', source] })
        .toSortedList { a, b -> a.toString() <=> b.toString() }
        .flatMap { list -> numbered(list) }
        .map { role, name, source -> [role, name, source, fingerprint(source, importer)] }
    IMPORT_SPECIMENS(sources, importer)
    imported = IMPORT_SPECIMENS.out.dataset
    packs_by_role = IMPORT_SPECIMENS.out.packs
    audits = IMPORT_SPECIMENS.out.audit
    finder = gallery ? within(gallery, 'detector') : detector
    cropper = finder ? files_of(finder) : []
    if( finder ) {
        CROP_IMAGES(with_packs(imported, packs_by_role), cropper, suite('crop_images', settings))
        imported = CROP_IMAGES.out.dataset
        packs_by_role = CROP_IMAGES.out.packs
        audits = audits.mix(CROP_IMAGES.out.audit)
    }
    all_packs = packs_by_role.flatMap { _role, files -> [files].flatten() }
    packs = all_packs.toSortedList { a, b -> a.name <=> b.name }
    split = channel.empty()
    metrics = channel.empty()
    predictions = channel.empty()
    plots = channel.empty()
    comparison = channel.empty()
    training = channel.empty()
    label_audit = channel.empty()
    reviews = reviewed.toSortedList { a, b -> a.name <=> b.name }
    asked = imported.filter { role, _dataset -> role == 'unlabelled' }.map { _role, dataset -> dataset }.toSortedList { a, b -> a.name <=> b.name }
    if( gallery ) {
        into = channel.value(file(gallery))
        embedder = into.map { folder -> folder.resolve('embedder') }
        labelled = imported.filter { role, _dataset -> role == 'specimens' }.map { _role, dataset -> dataset }.toSortedList { a, b -> a.name <=> b.name }
        LABEL_REVIEWED(reviews.filter { list -> list }, asked, labelled, into, suite('label_reviewed', settings))
        EMBED_IMAGES(all_packs.combine(embedder), suite('embed_images', settings))
        enrolled = labelled.flatMap { list -> list }.mix(LABEL_REVIEWED.out.dataset).toSortedList { a, b -> a.name <=> b.name }
        ENROL_SPECIMENS(enrolled.filter { list -> list }, to_enrol(EMBED_IMAGES.out.embeddings, reviewed), embedder, into, [], suite('enrol_specimens', settings))
        held = ENROL_SPECIMENS.out.gallery.ifEmpty(file(gallery))
    }
    else {
        into = channel.value([])
        datasets = imported.map { _role, dataset -> dataset }.toSortedList { a, b -> a.name <=> b.name }
        SPLIT_SPECIMENS(datasets, suite('split_specimens', settings))
        FETCH_BACKBONE(channel.of(weights).filter { given -> given != 'none' }.map { given -> given == 'pretrained' ? [] : file(given) }, suite('fetch_backbone', settings))
        learned = SPLIT_SPECIMENS.out.specimens.combine(packs.toList()).map { dataset, all -> packs_of(dataset, all, ['train', 'validation', 'rest']) }
        TRAIN_EMBEDDER(SPLIT_SPECIMENS.out.specimens, learned, FETCH_BACKBONE.out.weights.ifEmpty([]).first(), suite('train_embedder', settings))
        models = TRAIN_EMBEDDER.out.models.map { found -> [found].flatten().sort { folder -> folder.name } }
        EMBED_IMAGES(all_packs.combine(models.toList()), suite('embed_images', settings, [baselines: 'true']))
        embeddings = of_role(EMBED_IMAGES.out.embeddings, 'specimens')
        CHOOSE_EMBEDDER(SPLIT_SPECIMENS.out.specimens, embeddings, models, suite('choose_embedder', settings))
        embedder = CHOOSE_EMBEDDER.out.embedder
        EVALUATE_IDENTIFICATION(SPLIT_SPECIMENS.out.specimens, embeddings, embedder, CHOOSE_EMBEDDER.out.comparison, suite('evaluate_identification', settings))
        shown = SPLIT_SPECIMENS.out.specimens.combine(packs.toList()).map { dataset, all -> packs_of(dataset, all) }
        AUDIT_LABELS(SPLIT_SPECIMENS.out.specimens, embeddings, CHOOSE_EMBEDDER.out.comparison, shown, suite('audit_labels', settings))
        LABEL_REVIEWED(reviews.filter { list -> list }, asked, SPLIT_SPECIMENS.out.specimens, into, suite('label_reviewed', settings))
        enrolled = SPLIT_SPECIMENS.out.specimens.mix(LABEL_REVIEWED.out.dataset).toSortedList { a, b -> a.name <=> b.name }
        ENROL_SPECIMENS(enrolled, to_enrol(EMBED_IMAGES.out.embeddings, reviewed), embedder, into, cropper, suite('enrol_specimens', settings))
        held = ENROL_SPECIMENS.out.gallery
        audits = audits.mix(SPLIT_SPECIMENS.out.audit)
        split = SPLIT_SPECIMENS.out.split
        metrics = EVALUATE_IDENTIFICATION.out.metrics
        predictions = EVALUATE_IDENTIFICATION.out.predictions
        plots = EVALUATE_IDENTIFICATION.out.plots
        label_audit = AUDIT_LABELS.out.table
        comparison = CHOOSE_EMBEDDER.out.comparison
        training = TRAIN_EMBEDDER.out.training
    }
    named = of_role(EMBED_IMAGES.out.embeddings, 'unlabelled')
    IDENTIFY_IMAGES(asked.filter { list -> list }, named, held, suite('identify_images', settings))
    CLUSTER_IMAGES(asked.filter { list -> list }, named, held, suite('cluster_images', settings))
    clusters = CLUSTER_IMAGES.out.clusters
    WRITE_SHEET(clusters, CLUSTER_IMAGES.out.ranking, held, reviews, packs, suite('write_sheet', settings))
    WRITE_MAP(held, asked, named, packs, clusters.mix(predictions).toSortedList { a, b -> a.name <=> b.name }, suite('write_map', settings))
    audits = audits.mix(LABEL_REVIEWED.out.audit)
    WRITE_IDENTIFICATION_AUDIT(audits.toSortedList { a, b -> a.name <=> b.name }, suite('write_audit', settings))
    audit = WRITE_IDENTIFICATION_AUDIT.out.audit
    enrolment = ENROL_SPECIMENS.out.enrolment
    identified = IDENTIFY_IMAGES.out.identified
    sheet = WRITE_SHEET.out.sheet
    map = WRITE_MAP.out.map

    emit:
    split      // path: CSV, group and part of each specimen; nothing with a gallery
    audit      // path: JSON of what was found, repaired and left out
    training   // path: CSV, a row per epoch; nothing with a gallery
    comparison // path: JSON, how each embedder did with each head on validation specimens; nothing with a gallery
    label_audit // path: CSV, the labels that are worth a check; nothing with a gallery
    embedder   // path: model folder
    held       // path: folder of named embeddings, with its embedder and the detector that cropped the images, if any
    enrolment  // path: JSON, what the enrolment did to the classes that were there
    metrics    // path: JSON of the figures on test specimens; nothing with a gallery
    predictions // path: CSV, the name of each test and unseen specimen; nothing with a gallery
    plots      // paths: PNG
    identified // path: CSV, a name, its probability, a verdict and the finest name that is sure for each unlabelled image
    clusters   // path: CSV, the cluster of each unlabelled image and the known class it is most like
    sheet      // path: folder, a page to name clusters on and the same as a table; what a person saves is `reviewed` of a later run
    map        // path: HTML page, every image by its likeness to the others
}

// A list of the embeddings of one role: a photo more to identify is nothing to those that work on the specimens.
def of_role(embeddings, role) {
    return embeddings.filter { path -> path.name.startsWith("${role}_") }.toSortedList { a, b -> a.name <=> b.name }
}

// What a person named is enrolled by the embeddings of the unlabelled images.
def to_enrol(embeddings, reviewed) {
    return embeddings.combine(reviewed.count()).filter { path, n -> path.name.startsWith('specimens_') || n > 0 }.map { path, _n -> path }.toSortedList { a, b -> a.name <=> b.name }
}

// A folder inside another, null where there is none.
def within(folder, name) {
    def inner = file(folder).resolve(name)
    return inner.exists() ? inner : null
}

// Each data set with its packs, which are named after it: [role, dataset, packs].
def with_packs(datasets, packs) {
    def named = packs.map { _role, files -> [[files].flatten()[0].baseName.replaceAll(/_\d+$/, ''), files] }
    return datasets.map { role, dataset -> [dataset.baseName, role, dataset] }.join(named).map { _name, role, dataset, files -> [role, dataset, files] }
}
