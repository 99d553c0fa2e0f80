include { suite } from '../../modules/lib/suite'
include { fingerprint; numbered } from '../../modules/lib/sources'
include { packs_of } from '../../modules/lib/datasets'
include { IMPORT_IMAGES } from '../../modules/local/suite/import_images'
include { SPLIT_IMAGES } from '../../modules/local/detection/split_images'
include { FETCH_DETECTOR_WEIGHTS } from '../../modules/local/detection/fetch_detector_weights'
include { TRAIN_DETECTOR as TRAIN_INSECT_DETECTOR } from '../../modules/local/detection/train_detector'
include { KEEP_ROUND } from '../../modules/local/detection/keep_round'
include { WRITE_REVIEW } from '../../modules/local/detection/write_review'
include { PREDICT_BOXES } from '../../modules/local/detection/predict_boxes'
include { EVALUATE_DETECTOR } from '../../modules/local/detection/evaluate_detector'
include { WRITE_AUDIT } from '../../modules/local/suite/write_audit'
include { improved; kept } from '../../modules/lib/rounds'
include { ROUND as ROUND_1 } from './round'
include { ROUND as ROUND_2 } from './round'
include { ROUND as ROUND_3 } from './round'

workflow DETECTION {
    take:
    boxes           // channel of paths: sources of images with insect boxes
    labelled_images // channel of paths: sources of photos with class labels; empty for a detector of insects alone
    test_boxes      // channel of paths: sources of box-labelled test images; may be empty
    audit_boxes     // channel of paths: sources of true boxes of labelled photos; may be empty
    reviewed        // channel of paths: sources of labelled photos whose weak boxes a person corrected; may be empty
    target          // value: the label whose detector is wanted, e.g. 'halyomorpha_halys'; '' for a detector of insects
    weights         // value: 'pretrained', 'none' or the path of a .safetensors or .pt file
    settings        // map: task name, or one use of a task, -> its settings, e.g. [train_detector: [max_epochs: 50]]

    main:
    importer = suite('import_images', settings)
    sources = boxes.map { source -> ['boxes', source] }
        .mix(labelled_images.map { source -> ['labelled', source] })
        .mix(test_boxes.map { source -> ['test', source] })
        .mix(audit_boxes.map { source -> ['audit', source] })
        .mix(reviewed.map { source -> ['reviewed', source] })
        .toSortedList { a, b -> a.toString() <=> b.toString() }
        .flatMap { list -> numbered(list) }
        .map { role, name, source -> [role, name, source, fingerprint(source, importer)] }
    IMPORT_IMAGES(sources, importer)
    packs = IMPORT_IMAGES.out.packs.flatMap { _role, files -> [files].flatten() }.toSortedList { a, b -> a.name <=> b.name }
    datasets = IMPORT_IMAGES.out.dataset.map { _role, dataset -> dataset }.toSortedList { a, b -> a.name <=> b.name }
    SPLIT_IMAGES(datasets, suite('split_images', settings, [target: target ?: null]))

    FETCH_DETECTOR_WEIGHTS(channel.of(weights).filter { given -> given != 'none' }.map { given -> given == 'pretrained' ? [] : file(given) }, suite('fetch_detector_weights', settings))
    start = FETCH_DETECTOR_WEIGHTS.out.weights.ifEmpty([]).first()
    insect_packs = SPLIT_IMAGES.out.insect.combine(packs.toList()).map { dataset, all -> packs_of(dataset, all, ['train', 'validation']) }
    TRAIN_INSECT_DETECTOR('insect_detector', SPLIT_IMAGES.out.insect, insect_packs, start, suite('train_detector', settings, [class_name: 'insect'], 'train_insect_detector'))

    detector = TRAIN_INSECT_DETECTOR.out.model
    audits = IMPORT_IMAGES.out.audit.mix(SPLIT_IMAGES.out.audit)
    weak_boxes = channel.empty()
    quality = channel.empty()
    review = channel.empty()
    target_detector = channel.empty()
    training = TRAIN_INSECT_DETECTOR.out.training.map { curve -> ['insect_detector', curve] }
    if( target ) {
        split_of = [
            labelled: SPLIT_IMAGES.out.labelled,
            labelled_ids: SPLIT_IMAGES.out.labelled_ids,
            boxes: SPLIT_IMAGES.out.insect,
            validation_ids: SPLIT_IMAGES.out.validation_ids,
            reviewed: SPLIT_IMAGES.out.reviewed,
            audit_boxes: SPLIT_IMAGES.out.audit_boxes,
        ]
        learned = detector.map { files -> files.find { path -> path.name == 'weights.safetensors' } }
        ROUND_1(1, detector, SPLIT_IMAGES.out.insect, split_of, packs, learned, target, settings)
        rounds = ROUND_1.out.made.map { made -> [made] }
        if( (settings.keep_round?.rounds ?: 0) >= 2 ) {
            second = rounds.filter { done -> improved(done) }.map { done -> done.last() }
            ROUND_2(2, second.map { made -> made.model }, second.map { made -> made.training }, split_of, packs, learned, target, settings)
            rounds = joined(rounds, ROUND_2.out.made)
        }
        if( (settings.keep_round?.rounds ?: 0) >= 3 ) {
            third = rounds.filter { done -> done.size() == 2 && improved(done) }.map { done -> done.last() }
            ROUND_3(3, third.map { made -> made.model }, third.map { made -> made.training }, split_of, packs, learned, target, settings)
            rounds = joined(rounds, ROUND_3.out.made)
        }
        KEEP_ROUND(
            rounds.map { done -> kept(done).number },
            rounds.map { done -> [kept(done).weak_boxes, kept(done).samples] + kept(done).quality },
            rounds.map { done -> kept(done).plots },
            rounds.map { done -> kept(done).model + [kept(done).curve] },
            rounds.map { done -> done.collect { made -> made.model.find { path -> path.name == 'model.json' } } },
            rounds.map { done -> done.collect { made -> made.weak_boxes } },
            rounds.map { done -> done.collectMany { made -> made.quality.findAll { path -> path.name == 'quality.json' } } },
            suite('keep_round', settings),
        )
        audits = audits.mix(rounds.map { done -> kept(done).audit })
        labelled_packs = SPLIT_IMAGES.out.labelled.combine(packs.toList()).map { dataset, all -> packs_of(dataset, all) }
        WRITE_REVIEW(KEEP_ROUND.out.weak_boxes, labelled_packs, suite('write_review', settings))
        detector = KEEP_ROUND.out.model
        weak_boxes = KEEP_ROUND.out.weak_boxes.mix(KEEP_ROUND.out.beside)
        quality = KEEP_ROUND.out.quality.mix(KEEP_ROUND.out.plots)
        review = WRITE_REVIEW.out.table.mix(WRITE_REVIEW.out.sheet, WRITE_REVIEW.out.label_studio, WRITE_REVIEW.out.supervisely)
        target_detector = KEEP_ROUND.out.model
        training = training.mix(KEEP_ROUND.out.training.map { curve -> ['target_detector', curve] })
    }

    test_packs = SPLIT_IMAGES.out.test.combine(packs.toList()).map { dataset, all -> packs_of(dataset, all) }
    PREDICT_BOXES(test_packs.flatMap { list -> list }.combine(SPLIT_IMAGES.out.test_ids).combine(detector.map { files -> [files] }), suite('predict_boxes', settings))
    EVALUATE_DETECTOR(SPLIT_IMAGES.out.test, PREDICT_BOXES.out.predictions.toSortedList { a, b -> a.name <=> b.name }, detector, test_packs, suite('evaluate_detector', settings))
    WRITE_AUDIT(audits.toSortedList { a, b -> a.name <=> b.name }, suite('write_audit', settings))

    split = SPLIT_IMAGES.out.split
    audit = WRITE_AUDIT.out.audit
    insect_detector = TRAIN_INSECT_DETECTOR.out.model
    metrics = EVALUATE_DETECTOR.out.metrics
    predictions = EVALUATE_DETECTOR.out.predictions_json.mix(EVALUATE_DETECTOR.out.predictions_csv)
    plots = EVALUATE_DETECTOR.out.plots

    emit:
    split           // path: CSV image, group, part
    audit           // path: JSON of what was found, repaired, left out, and why
    insect_detector // paths: the files of a model folder
    weak_boxes      // paths: COCO with score, band and evidence of each box; a picture of samples; a table of the rounds (CSV)
    quality         // paths: JSON of the weak boxes measured against the audit boxes, what each step of the rule gave, and plots; nothing without them
    review          // paths: the boxes most worth a person's look as CSV and PNG, and for Label Studio (JSON, XML) and Supervisely (a folder)
    target_detector // paths: the files of a model folder
    training        // tuples: name of the model, CSV with a row per epoch
    metrics         // path: JSON of the final detector's figures on the test images
    predictions     // paths: the final detector's boxes on the test images, COCO results and CSV
    plots           // paths: PNG
}

// The rounds so far with the next one behind them, where that ran.
def joined(rounds, next) {
    return rounds.mix(next.map { made -> [made] }).collect(flat: false).map { all -> all.sum().sort { made -> made.number } }
}
