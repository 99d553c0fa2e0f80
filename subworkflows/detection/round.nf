include { by_name; has_images; shards; with_packs } from '../../modules/lib/channels'
include { suite } from '../../modules/lib/suite'
include { CLASSIFY_CROPS } from '../../modules/local/detection/classify_crops'
include { MEASURE_WEAK_BOXES } from '../../modules/local/detection/measure_weak_boxes'
include { PREDICT_BOXES as PREDICT_CANDIDATES } from '../../modules/local/detection/predict_boxes'
include { SELECT_WEAK_BOXES } from '../../modules/local/detection/select_weak_boxes'
include {
    TRAIN_DETECTOR as TRAIN_TARGET_DETECTOR
} from '../../modules/local/detection/train_detector'

// From a detector (the teacher) to weak boxes to the target's detector. In the first round the
// teacher is the insect detector.
workflow ROUND {
    take:
    number    // value: 1, 2, ...
    teacher   // channel of one list: the files of its model folder; empty: this round does not run
    reference // channel of one path: data set that the teacher was trained on
    split     // map of channels, as SPLIT_IMAGES emits: labelled, labelled_ids, boxes,
              // validation_ids, reviewed, audit_boxes
    packs     // channel of one list: every pack
    start     // channel of one path: weights that the target's detector starts from
    target    // value: the label to detect
    settings  // map: task name, or one use of a task -> its settings

    main:
    views = ['1', '1f', '0.75', '0.75f', '1.5', '1.5f']
    choices = [target: target, n_views: views.size()]
    labelled_packs = with_packs(split.labelled, packs, ['train', 'validation'])
    validation_packs = with_packs(split.boxes, packs, ['validation'])
    labelled_shards = shards(labelled_packs, split.labelled_ids, teacher)
    validation_shards = shards(validation_packs, split.validation_ids, teacher)
    predictor = suite('predict_boxes', settings, [views: views.join(',')])
    PREDICT_CANDIDATES(labelled_shards.mix(validation_shards), predictor)
    candidates = PREDICT_CANDIDATES.out.predictions.branch { file ->
        validation: file.name.startsWith('boxes_')
        labelled: true
    }
    labelled_candidates = by_name(candidates.labelled)
    // A later teacher was stopped on labelled photos: it is judged by all that was predicted.
    judged = number == 1 ? candidates.validation : PREDICT_CANDIDATES.out.predictions
    validation_candidates = by_name(judged)

    crop_scores = channel.empty()
    if( !(settings.select_weak_boxes?.weak_rule in ['threshold', 'top1']) ) {
        CLASSIFY_CROPS(
            split.labelled,
            labelled_candidates,
            reference,
            validation_candidates,
            labelled_packs,
            with_packs(reference, packs, ['train', 'validation']),
            suite('classify_crops', settings, choices),
        )
        crop_scores = CLASSIFY_CROPS.out.crop_scores
    }
    SELECT_WEAK_BOXES(
        split.labelled,
        labelled_candidates,
        reference,
        validation_candidates,
        crop_scores.ifEmpty([]).first(),
        split.reviewed,
        with_packs(split.labelled, packs),
        suite('select_weak_boxes', settings, choices + [round: number]),
    )
    MEASURE_WEAK_BOXES(
        SELECT_WEAK_BOXES.out.weak_boxes,
        split.audit_boxes.filter { dataset -> has_images(dataset) },
        suite('measure_weak_boxes', settings, [target: target]),
    )
    TRAIN_TARGET_DETECTOR(
        'target_detector',
        SELECT_WEAK_BOXES.out.training,
        with_packs(SELECT_WEAK_BOXES.out.training, packs),
        start,
        suite('train_detector', settings, [class_name: target], 'train_target_detector'),
    )

    measured = MEASURE_WEAK_BOXES.out.quality.mix(MEASURE_WEAK_BOXES.out.ablation)
    plots = MEASURE_WEAK_BOXES.out.plots.toList().map { lists -> lists.flatten() }
    round = TRAIN_TARGET_DETECTOR.out.model.map { files -> [files] }
        .combine(TRAIN_TARGET_DETECTOR.out.training)
        .combine(SELECT_WEAK_BOXES.out.weak_boxes)
        .combine(SELECT_WEAK_BOXES.out.samples)
        .combine(SELECT_WEAK_BOXES.out.training)
        .combine(SELECT_WEAK_BOXES.out.audit)
        .combine(by_name(measured).toList())
        .combine(plots.toList())
        .map { model, curve, weak_boxes, samples, training, audit, quality, pictures ->
            [
                number: number,
                model: model,
                curve: curve,
                weak_boxes: weak_boxes,
                samples: samples,
                training: training,
                audit: audit,
                quality: quality,
                plots: pictures,
            ]
        }

    emit:
    round // map: number, model (files), curve, weak_boxes, samples, training, audit, quality
          // (files; none without audit boxes), plots (files)
}
