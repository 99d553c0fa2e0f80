include { suite } from '../../modules/lib/suite'
include { packs_of; has_images } from '../../modules/lib/datasets'
include { PREDICT_BOXES as PREDICT_CANDIDATES } from '../../modules/local/detection/predict_boxes'
include { CLASSIFY_CROPS } from '../../modules/local/detection/classify_crops'
include { SELECT_WEAK_BOXES } from '../../modules/local/detection/select_weak_boxes'
include { MEASURE_WEAK_BOXES } from '../../modules/local/detection/measure_weak_boxes'
include { TRAIN_DETECTOR as TRAIN_TARGET_DETECTOR } from '../../modules/local/detection/train_detector'

// From a detector (the teacher) to weak boxes to the target's detector. In the first round the teacher is the insect detector.
workflow ROUND {
    take:
    number    // value: 1, 2, ...
    teacher   // channel of one list: the files of its model folder; empty: this round does not run
    reference // channel of one path: data set that the teacher learned from
    split     // map of channels, as SPLIT_IMAGES emits: labelled, labelled_ids, boxes, validation_ids, reviewed, audit_boxes
    packs     // channel of one list: every pack
    start     // channel of one path: weights that the target's detector starts from
    target    // value: the label whose detector is wanted
    settings  // map: task name, or one use of a task -> its settings

    main:
    views = ['1', '1f', '0.75', '0.75f', '1.5', '1.5f']
    given = [target: target, n_views: views.size()]
    learned_packs = split.labelled.combine(packs.toList()).map { dataset, all -> packs_of(dataset, all, ['train', 'validation']) }
    reference_packs = reference.combine(packs.toList()).map { dataset, all -> packs_of(dataset, all, ['train', 'validation']) }
    labelled_shards = learned_packs.flatMap { list -> list }.combine(split.labelled_ids)
    validation_shards = split.boxes.combine(packs.toList()).flatMap { dataset, all -> packs_of(dataset, all, ['validation']) }.combine(split.validation_ids)
    PREDICT_CANDIDATES(labelled_shards.mix(validation_shards).combine(teacher.map { files -> [files] }), suite('predict_boxes', settings, [views: views.join(',')]))
    candidates = PREDICT_CANDIDATES.out.predictions.branch { file ->
        validation: file.name.startsWith('boxes_')
        labelled: true
    }
    labelled_candidates = candidates.labelled.toSortedList { a, b -> a.name <=> b.name }
    // A later teacher was stopped on labelled photos: it is judged by all that was predicted.
    judged = number == 1 ? candidates.validation : PREDICT_CANDIDATES.out.predictions
    validation_candidates = judged.toSortedList { a, b -> a.name <=> b.name }
    second_opinion = channel.empty()
    if( !(settings.select_weak_boxes?.weak_rule in ['threshold', 'top1']) ) {
        CLASSIFY_CROPS(split.labelled, labelled_candidates, reference, validation_candidates, learned_packs, reference_packs, suite('classify_crops', settings, given))
        second_opinion = CLASSIFY_CROPS.out.crop_scores
    }
    SELECT_WEAK_BOXES(
        split.labelled,
        labelled_candidates,
        reference,
        validation_candidates,
        second_opinion.ifEmpty([]).first(),
        split.reviewed,
        split.labelled.combine(packs.toList()).map { dataset, all -> packs_of(dataset, all) },
        suite('select_weak_boxes', settings, given + [round: number]),
    )
    MEASURE_WEAK_BOXES(SELECT_WEAK_BOXES.out.weak_boxes, split.audit_boxes.filter { dataset -> has_images(dataset) }, suite('measure_weak_boxes', settings, [target: target]))
    training_packs = SELECT_WEAK_BOXES.out.training.combine(packs.toList()).map { dataset, all -> packs_of(dataset, all) }
    TRAIN_TARGET_DETECTOR('target_detector', SELECT_WEAK_BOXES.out.training, training_packs, start, suite('train_detector', settings, [class_name: target], 'train_target_detector'))

    made = TRAIN_TARGET_DETECTOR.out.model.map { files -> [files] }
        .combine(TRAIN_TARGET_DETECTOR.out.training)
        .combine(SELECT_WEAK_BOXES.out.weak_boxes)
        .combine(SELECT_WEAK_BOXES.out.samples)
        .combine(SELECT_WEAK_BOXES.out.training)
        .combine(SELECT_WEAK_BOXES.out.audit)
        .combine(MEASURE_WEAK_BOXES.out.quality.mix(MEASURE_WEAK_BOXES.out.ablation).toSortedList { a, b -> a.name <=> b.name }.map { files -> [files] })
        .combine(MEASURE_WEAK_BOXES.out.plots.toList().map { all -> [all.flatten()] })
        .map { model, curve, weak_boxes, samples, training, audit, quality, plots ->
            [number: number, model: model, curve: curve, weak_boxes: weak_boxes, samples: samples, training: training, audit: audit, quality: quality, plots: plots]
        }

    emit:
    made // map: number, model (files), curve, weak_boxes, samples, training, audit, quality (files; none without audit boxes), plots (files)
}
