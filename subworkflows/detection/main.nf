include {
    by_name; of_every_role; shards; weights_to_fetch; with_packs
} from '../../modules/lib/channels'
include { report_files } from '../../modules/lib/results'
include { import_sources } from '../../modules/lib/sources'
include { suite } from '../../modules/lib/suite'
include { EVALUATE_DETECTOR } from '../../modules/local/detection/evaluate_detector'
include { FETCH_DETECTOR_WEIGHTS } from '../../modules/local/detection/fetch_detector_weights'
include { IMPORT_IMAGES } from '../../modules/local/suite/import_images'
include { PREDICT_BOXES } from '../../modules/local/detection/predict_boxes'
include { SPLIT_IMAGES } from '../../modules/local/detection/split_images'
include {
    TRAIN_DETECTOR as TRAIN_INSECT_DETECTOR
} from '../../modules/local/detection/train_detector'
include { TRAIN_TARGET } from './train_target'
include { WRITE_AUDIT } from '../../modules/local/suite/write_audit'

// From boxes of insects to an insect detector; with labelled photos, on to a target's detector.
workflow DETECTION {
    take:
    boxes           // channel of paths: sources of images with boxes of insects
    labelled_images // channel of paths: sources of photos with labels; empty without a target
    test_boxes      // channel of paths: sources of box-labelled test images; may be empty
    audit_boxes     // channel of paths: sources of true boxes of labelled photos; may be empty
    reviewed        // channel of paths: sources of corrected weak boxes; may be empty
    target          // value: the label to detect, e.g. 'halyomorpha_halys'; '' for insects alone
    weights         // value: 'pretrained', 'none' or the path of a .safetensors or .pt file
    settings        // map: task name, or one use of a task -> its settings

    main:
    importer = suite('import_images', settings)
    sources_by_role = [
        boxes: boxes,
        labelled: labelled_images,
        test: test_boxes,
        audit: audit_boxes,
        reviewed: reviewed,
    ]
    IMPORT_IMAGES(import_sources(sources_by_role, importer), importer)
    packs = by_name(of_every_role(IMPORT_IMAGES.out.packs))
    datasets = by_name(of_every_role(IMPORT_IMAGES.out.dataset))
    SPLIT_IMAGES(datasets, suite('split_images', settings, [target: target ?: null]))
    audits = IMPORT_IMAGES.out.audit.mix(SPLIT_IMAGES.out.audit)

    to_fetch = channel.fromList(weights_to_fetch(weights))
    FETCH_DETECTOR_WEIGHTS(to_fetch, suite('fetch_detector_weights', settings))
    TRAIN_INSECT_DETECTOR(
        'insect_detector',
        SPLIT_IMAGES.out.insect,
        with_packs(SPLIT_IMAGES.out.insect, packs, ['train', 'validation']),
        FETCH_DETECTOR_WEIGHTS.out.weights.ifEmpty([]).first(),
        suite('train_detector', settings, [class_name: 'insect'], 'train_insect_detector'),
    )
    insect_detector = TRAIN_INSECT_DETECTOR.out.model
    training = TRAIN_INSECT_DETECTOR.out.training.map { curve -> ['insect_detector', curve] }

    final_detector = insect_detector
    weak_boxes = channel.empty()
    quality = channel.empty()
    review = channel.empty()
    target_detector = channel.empty()
    target_for_report = channel.empty()
    if( target ) {
        split_channels = [
            labelled: SPLIT_IMAGES.out.labelled,
            labelled_ids: SPLIT_IMAGES.out.labelled_ids,
            boxes: SPLIT_IMAGES.out.insect,
            validation_ids: SPLIT_IMAGES.out.validation_ids,
            reviewed: SPLIT_IMAGES.out.reviewed,
            audit_boxes: SPLIT_IMAGES.out.audit_boxes,
        ]
        TRAIN_TARGET(insect_detector, split_channels, packs, target, settings)
        final_detector = TRAIN_TARGET.out.target_detector
        weak_boxes = TRAIN_TARGET.out.weak_boxes
        quality = TRAIN_TARGET.out.quality
        review = TRAIN_TARGET.out.review
        target_detector = TRAIN_TARGET.out.target_detector
        training = training.mix(TRAIN_TARGET.out.training)
        audits = audits.mix(TRAIN_TARGET.out.audit)
        target_for_report = TRAIN_TARGET.out.for_report
    }

    test_packs = with_packs(SPLIT_IMAGES.out.test, packs)
    test_shards = shards(test_packs, SPLIT_IMAGES.out.test_ids, final_detector)
    PREDICT_BOXES(test_shards, suite('predict_boxes', settings))
    EVALUATE_DETECTOR(
        SPLIT_IMAGES.out.test,
        by_name(PREDICT_BOXES.out.predictions),
        final_detector,
        test_packs,
        suite('evaluate_detector', settings),
    )
    WRITE_AUDIT(by_name(audits), suite('write_audit', settings))

    split = SPLIT_IMAGES.out.split
    audit = WRITE_AUDIT.out.audit
    metrics = EVALUATE_DETECTOR.out.metrics
    predictions = EVALUATE_DETECTOR.out.predictions_json.mix(EVALUATE_DETECTOR.out.predictions_csv)
    plots = EVALUATE_DETECTOR.out.plots
    for_report = target_for_report.mix(report_files([
        SPLIT_IMAGES: SPLIT_IMAGES.out,
        TRAIN_INSECT_DETECTOR: TRAIN_INSECT_DETECTOR.out,
        EVALUATE_DETECTOR: EVALUATE_DETECTOR.out,
        WRITE_AUDIT: WRITE_AUDIT.out,
    ]))

    emit:
    split           // path: CSV image, group, part
    audit           // path: JSON of what was read, repaired, left out, and why
    insect_detector // paths: the files of a model folder
    weak_boxes      // paths: COCO JSON with score, band and evidence of each box, PNG, rounds (CSV)
    quality         // paths: the weak boxes against the audit boxes, JSON and PNG; or nothing
    review          // paths: boxes most worth a look: CSV, PNG, Label Studio, Supervisely
    target_detector // paths: the files of a model folder
    training        // tuples: name of the model, CSV with a row per epoch
    metrics         // path: JSON of the final detector's figures on the test images
    predictions     // paths: the final detector's boxes on the test images, COCO results and CSV
    plots           // paths: PNG
    for_report      // tuples: folder under --outdir, file
}
