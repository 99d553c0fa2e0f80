include {
    by_name; files_of; of_every_role; of_role; with_name_start
} from '../../modules/lib/channels'
include { report_files } from '../../modules/lib/results'
include { import_sources } from '../../modules/lib/sources'
include { suite } from '../../modules/lib/suite'
include { CLUSTER_IMAGES } from '../../modules/local/identification/cluster_images'
include { CROP_IMAGES } from '../../modules/local/identification/crop_images'
include { EMBED_IMAGES } from '../../modules/local/identification/embed_images'
include { ENROL_SPECIMENS } from '../../modules/local/identification/enrol_specimens'
include { IDENTIFY_IMAGES } from '../../modules/local/identification/identify_images'
include { IMPORT_IMAGES as IMPORT_SPECIMENS } from '../../modules/local/suite/import_images'
include { LABEL_REVIEWED } from '../../modules/local/identification/label_reviewed'
include { LEARN_EMBEDDER } from './learn'
include { WRITE_AUDIT as WRITE_IDENTIFICATION_AUDIT } from '../../modules/local/suite/write_audit'
include { WRITE_MAP } from '../../modules/local/identification/write_map'
include { WRITE_SHEET } from '../../modules/local/identification/write_sheet'

// From labelled specimens to a gallery, and by the gallery to the names of unlabelled images.
workflow IDENTIFICATION {
    take:
    specimens  // channel of paths: sources of labelled specimens; may be empty with a gallery
    unlabelled // channel of paths: sources of images to identify; may be empty
    reviewed   // channel of paths: cluster sheets of these images, filled in; may be empty
    gallery    // value: path of an earlier gallery, whose embedder is used; null to train one
    detector   // value: path of a detector's model folder, to crop images by; null for none, and
               // with a gallery, which has its own
    weights    // value: 'pretrained', 'none' or a path: what the embedder starts from
    settings   // map: task name -> its settings, e.g. [train_embedder: [max_epochs: 50]]

    main:
    importer = suite('import_images', settings)
    sources_by_role = [specimens: specimens, unlabelled: unlabelled]
    IMPORT_SPECIMENS(import_sources(sources_by_role, importer), importer)
    datasets = IMPORT_SPECIMENS.out.dataset
    packs_by_role = IMPORT_SPECIMENS.out.packs
    audits = IMPORT_SPECIMENS.out.audit
    cropper = files_of(gallery ? "${gallery}/detector" : detector)
    if( cropper ) {
        photos = datasets_with_packs(datasets, packs_by_role)
        CROP_IMAGES(photos, cropper, suite('crop_images', settings))
        datasets = CROP_IMAGES.out.dataset
        packs_by_role = CROP_IMAGES.out.packs
        audits = audits.mix(CROP_IMAGES.out.audit)
    }
    packs = by_name(of_every_role(packs_by_role))
    unlabelled_datasets = by_name(of_role(datasets, 'unlabelled'))

    if( gallery ) {
        earlier_gallery = channel.value(file(gallery))
        embedder = earlier_gallery.map { folder -> folder.resolve('embedder') }
        labelled = of_role(datasets, 'specimens')
        to_embed = of_every_role(packs_by_role).combine(embedder)
        EMBED_IMAGES(to_embed, suite('embed_images', settings))
        embeddings = EMBED_IMAGES.out.embeddings
        split = channel.empty()
        training = channel.empty()
        comparison = channel.empty()
        metrics = channel.empty()
        predictions = channel.empty()
        plots = channel.empty()
        label_audit = channel.empty()
        facts = embedder.map { folder -> ['identification/embedder', folder.resolve('model.json')] }
        learning_for_report = facts
    }
    else {
        earlier_gallery = channel.value([])
        LEARN_EMBEDDER(datasets, packs_by_role, weights, settings)
        embedder = LEARN_EMBEDDER.out.embedder
        labelled = LEARN_EMBEDDER.out.specimens
        embeddings = LEARN_EMBEDDER.out.embeddings
        split = LEARN_EMBEDDER.out.split
        training = LEARN_EMBEDDER.out.training
        comparison = LEARN_EMBEDDER.out.comparison
        metrics = LEARN_EMBEDDER.out.metrics
        predictions = LEARN_EMBEDDER.out.predictions
        plots = LEARN_EMBEDDER.out.plots
        label_audit = LEARN_EMBEDDER.out.label_audit
        audits = audits.mix(LEARN_EMBEDDER.out.audit)
        learning_for_report = LEARN_EMBEDDER.out.for_report
    }

    reviews = by_name(reviewed)
    LABEL_REVIEWED(
        not_empty(reviews),
        unlabelled_datasets,
        by_name(labelled),
        earlier_gallery,
        suite('label_reviewed', settings),
    )
    ENROL_SPECIMENS(
        not_empty(by_name(labelled.mix(LABEL_REVIEWED.out.dataset))),
        by_name(to_enrol(embeddings, reviewed)),
        embedder,
        earlier_gallery,
        gallery ? [] : cropper,
        suite('enrol_specimens', settings),
    )
    enrolled_gallery = ENROL_SPECIMENS.out.gallery
    if( gallery )
        enrolled_gallery = enrolled_gallery.ifEmpty(file(gallery))

    to_name = not_empty(unlabelled_datasets)
    queries = by_name(with_name_start(embeddings, 'unlabelled_'))
    IDENTIFY_IMAGES(to_name, queries, enrolled_gallery, suite('identify_images', settings))
    CLUSTER_IMAGES(to_name, queries, enrolled_gallery, suite('cluster_images', settings))
    clusters = CLUSTER_IMAGES.out.clusters
    WRITE_SHEET(
        clusters,
        CLUSTER_IMAGES.out.ranking,
        enrolled_gallery,
        reviews,
        packs,
        suite('write_sheet', settings),
    )
    WRITE_MAP(
        enrolled_gallery,
        unlabelled_datasets,
        queries,
        packs,
        by_name(clusters.mix(predictions)),
        suite('write_map', settings),
    )
    all_audits = audits.mix(LABEL_REVIEWED.out.audit)
    WRITE_IDENTIFICATION_AUDIT(by_name(all_audits), suite('write_audit', settings))

    audit = WRITE_IDENTIFICATION_AUDIT.out.audit
    enrolment = ENROL_SPECIMENS.out.enrolment
    identified = IDENTIFY_IMAGES.out.identified
    sheet = WRITE_SHEET.out.sheet
    map = WRITE_MAP.out.map
    for_report = learning_for_report.mix(report_files([
        ENROL_SPECIMENS: ENROL_SPECIMENS.out,
        IDENTIFY_IMAGES: IDENTIFY_IMAGES.out,
        CLUSTER_IMAGES: CLUSTER_IMAGES.out,
        WRITE_IDENTIFICATION_AUDIT: WRITE_IDENTIFICATION_AUDIT.out,
    ]))

    emit:
    split            // path: CSV, group and part of each specimen; nothing with a gallery
    audit            // path: JSON of what was read, repaired and left out
    training         // path: CSV, a row per epoch; nothing with a gallery
    comparison       // path: JSON, each embedder with each head on validation specimens; nothing
                     // with a gallery
    label_audit      // path: CSV, labels that are worth a check; nothing with a gallery
    embedder         // path: model folder
    enrolled_gallery // path: folder with the vectors and names of all specimens, the embedder, and
                     // the detector that cropped the images, if any
    enrolment        // path: JSON, what the enrolment did to the classes that were there
    metrics          // path: JSON of the figures on test specimens; nothing with a gallery
    predictions      // path: CSV, the name of each test and unseen specimen; nothing with a gallery
    plots            // paths: PNG; nothing with a gallery
    identified       // path: CSV, a name, its probability and a verdict for each unlabelled image
    clusters         // path: CSV, each unlabelled image's cluster, and the nearest known class
    sheet            // path: folder, a page to name clusters on, and the same as a table, which is
                     // `reviewed` of a later run
    map              // path: HTML page, every image near those that look like it
    for_report       // tuples: folder under --outdir, file
}

def not_empty(lists) {
    return lists.filter { list -> list }
}

// The specimens' embeddings; with a review, those of the unlabelled images that it names, too.
def to_enrol(embeddings, reviewed) {
    return embeddings
        .combine(reviewed.count())
        .filter { path, n_reviews -> path.name.startsWith('specimens_') || n_reviews > 0 }
        .map { path, _n_reviews -> path }
}

// Each data set with its packs, which are named after it: [role, dataset, packs].
def datasets_with_packs(datasets, packs_by_role) {
    def packs_by_name = packs_by_role.map { _role, files ->
        def packs = [files].flatten()
        [packs[0].baseName.replaceAll(/_\d+$/, ''), packs]
    }
    return datasets
        .map { role, dataset -> [dataset.baseName, role, dataset] }
        .join(packs_by_name)
        .map { _name, role, dataset, packs -> [role, dataset, packs] }
}
