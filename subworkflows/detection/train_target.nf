include { by_name; with_packs } from '../../modules/lib/channels'
include { report_files } from '../../modules/lib/results'
include { best_round; is_improved } from '../../modules/lib/rounds'
include { suite } from '../../modules/lib/suite'
include { KEEP_ROUND } from '../../modules/local/detection/keep_round'
include { WRITE_REVIEW } from '../../modules/local/detection/write_review'
include {
    ROUND as ROUND_1; ROUND as ROUND_2; ROUND as ROUND_3
} from './round'

// From an insect detector and labelled photos to the detector of their target, in one round of weak
// boxes and training or several (keep_round's setting `rounds`).
workflow TRAIN_TARGET {
    take:
    insect_detector // channel of one list: the files of its model folder
    split           // map of channels, as SPLIT_IMAGES emits: see ROUND
    packs           // channel of one list: every pack
    target          // value: the label to detect
    settings        // map: task name, or one use of a task -> its settings

    main:
    max_rounds = settings.keep_round?.rounds ?: 1
    start = insect_detector.map { files -> named(files, 'weights.safetensors')[0] }
    ROUND_1(1, insect_detector, split.boxes, split, packs, start, target, settings)
    rounds = ROUND_1.out.round.map { round -> [round] }
    if( max_rounds >= 2 ) {
        teacher = rounds.filter { list -> is_improved(list) }.map { list -> list.last() }
        ROUND_2(2, models(teacher), data(teacher), split, packs, start, target, settings)
        rounds = followed_by(rounds, ROUND_2.out.round)
    }
    if( max_rounds >= 3 ) {
        two_rounds = rounds.filter { list -> list.size() == 2 && is_improved(list) }
        better = two_rounds.map { list -> list.last() }
        ROUND_3(3, models(better), data(better), split, packs, start, target, settings)
        rounds = followed_by(rounds, ROUND_3.out.round)
    }

    best = rounds.map { list -> best_round(list) }
    KEEP_ROUND(
        best.map { round -> round.number },
        best.map { round -> [round.weak_boxes, round.samples] + round.quality },
        best.map { round -> round.plots },
        best.map { round -> round.model + [round.curve] },
        rounds.map { list -> list.collect { round -> named(round.model, 'model.json')[0] } },
        rounds.map { list -> list.collect { round -> round.weak_boxes } },
        rounds.map { list -> list.collectMany { round -> named(round.quality, 'quality.json') } },
        suite('keep_round', settings),
    )
    review_packs = with_packs(split.labelled, packs)
    WRITE_REVIEW(KEEP_ROUND.out.weak_boxes, review_packs, suite('write_review', settings))

    target_detector = KEEP_ROUND.out.model
    weak_boxes = KEEP_ROUND.out.weak_boxes.mix(KEEP_ROUND.out.samples_and_rounds)
    quality = KEEP_ROUND.out.quality.mix(KEEP_ROUND.out.plots)
    review = WRITE_REVIEW.out.table.mix(
        WRITE_REVIEW.out.sheet,
        WRITE_REVIEW.out.label_studio,
        WRITE_REVIEW.out.supervisely,
    )
    training = KEEP_ROUND.out.training.map { curve -> ['target_detector', curve] }
    audit = best.map { round -> round.audit }
    for_report = report_files([KEEP_ROUND: KEEP_ROUND.out, WRITE_REVIEW: WRITE_REVIEW.out])

    emit:
    target_detector // paths: the files of a model folder
    weak_boxes      // paths: COCO JSON with score, band and evidence of each box, PNG, rounds (CSV)
    quality         // paths: the weak boxes against the audit boxes, JSON and PNG; or nothing
    review          // paths: boxes most worth a look: CSV, PNG, Label Studio, Supervisely
    training        // tuple: 'target_detector', CSV with a row per epoch
    audit           // path: JSON of what the choice of weak boxes left out, and why
    for_report      // tuples: folder under --outdir, file
}

// The rounds so far with the next one behind them, where that ran.
def followed_by(rounds, next) {
    return rounds
        .mix(next.map { round -> [round] })
        .collect(flat: false)
        .map { lists -> lists.sum().sort { round -> round.number } }
}

def models(rounds) {
    return rounds.map { round -> round.model }
}

// The data sets that rounds' detectors were trained on.
def data(rounds) {
    return rounds.map { round -> round.training }
}

def named(files, name) {
    return files.findAll { path -> path.name == name }
}
