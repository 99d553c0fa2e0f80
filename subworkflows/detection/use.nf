include { by_name; of_every_role; shards } from '../../modules/lib/channels'
include { import_sources } from '../../modules/lib/sources'
include { suite } from '../../modules/lib/suite'
include { IMPORT_IMAGES } from '../../modules/local/suite/import_images'
include { PREDICT_BOXES } from '../../modules/local/detection/predict_boxes'
include { WRITE_AUDIT as WRITE_PREDICTION_AUDIT } from '../../modules/local/suite/write_audit'
include { WRITE_PREDICTIONS } from '../../modules/local/detection/write_predictions'

// Boxes on images that no chain has seen, by a detector of DETECTION.
workflow USE_DETECTOR {
    take:
    images   // channel of paths: sources of images: folders, CSV image[,group], single images
    model    // channel of one list: the files of a model folder
    settings // map: task name -> its settings

    main:
    importer = suite('import_images', settings)
    IMPORT_IMAGES(import_sources([predict: images], importer), importer)
    packs = by_name(of_every_role(IMPORT_IMAGES.out.packs))
    every_image = channel.of([[]]) // no list of ids: the whole pack
    PREDICT_BOXES(shards(packs, every_image, model), suite('predict_boxes', settings))
    WRITE_PREDICTIONS(
        by_name(of_every_role(IMPORT_IMAGES.out.dataset)),
        by_name(PREDICT_BOXES.out.predictions),
        model,
        suite('write_predictions', settings),
    )
    WRITE_PREDICTION_AUDIT(by_name(IMPORT_IMAGES.out.audit), suite('write_audit', settings))

    predictions_csv = WRITE_PREDICTIONS.out.predictions_csv
    predictions_json = WRITE_PREDICTIONS.out.predictions_json
    audit = WRITE_PREDICTION_AUDIT.out.audit

    emit:
    predictions_csv  // path: CSV image,label,score,x1,y1,x2,y2
    predictions_json // path: COCO results
    audit            // path: JSON of what was left out, and why
}
