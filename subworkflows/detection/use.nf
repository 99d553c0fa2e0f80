include { suite } from '../../modules/lib/suite'
include { fingerprint } from '../../modules/lib/sources'
include { IMPORT_IMAGES } from '../../modules/local/suite/import_images'
include { PREDICT_BOXES } from '../../modules/local/detection/predict_boxes'
include { WRITE_AUDIT as WRITE_PREDICTION_AUDIT } from '../../modules/local/suite/write_audit'
include { WRITE_PREDICTIONS } from '../../modules/local/detection/write_predictions'

workflow PREDICTION {
    take:
    images   // channel of paths: sources of images: folders, CSV image[,group], single images
    model    // channel of one list: the files of a model folder
    settings // map: task name -> its settings

    main:
    importer = suite('import_images', settings)
    IMPORT_IMAGES(images.toSortedList { a, b -> a.toString() <=> b.toString() }.flatMap { list -> numbered(list) }.map { name, source -> ['predict', name, source, fingerprint(source, importer)] }, importer)
    shards = IMPORT_IMAGES.out.packs.flatMap { _role, files -> [files].flatten() }
    PREDICT_BOXES(shards.map { pack -> [pack, []] }.combine(model.toList()), suite('predict_boxes', settings))
    datasets = IMPORT_IMAGES.out.dataset.map { _role, dataset -> dataset }.toSortedList { a, b -> a.name <=> b.name }
    WRITE_PREDICTIONS(datasets, PREDICT_BOXES.out.predictions.toSortedList { a, b -> a.name <=> b.name }, model, suite('write_predictions', settings))
    WRITE_PREDICTION_AUDIT(IMPORT_IMAGES.out.audit.toSortedList { a, b -> a.name <=> b.name }, suite('write_audit', settings))
    predictions_csv = WRITE_PREDICTIONS.out.predictions_csv
    predictions_json = WRITE_PREDICTIONS.out.predictions_json
    audit = WRITE_PREDICTION_AUDIT.out.audit

    emit:
    predictions_csv  // path: CSV image,label,score,x1,y1,x2,y2
    predictions_json // path: COCO results
    audit            // path: JSON of what was left out and why
}

def numbered(sources) {
    return sources.withIndex(1).collect { source, number -> ["predict_${number}".toString(), source] }
}
