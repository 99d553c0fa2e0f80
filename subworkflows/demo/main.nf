include { suite } from '../../modules/lib/suite'
include { MAKE_DEMO } from '../../modules/local/demo/make_demo'
include { MAKE_RECORDINGS } from '../../modules/local/demo/make_recordings'
include { MAKE_SPECIMENS } from '../../modules/local/demo/make_specimens'

// Synthetic data for some of the chains; the other channels are empty.
workflow DEMO {
    take:
    chains    // value: list of the chains to draw data for: detection, identification, wingbeat
    n_species // value: number of species of specimens
    n_events  // value: number of recorded events
    settings  // map: task name -> its settings

    main:
    insects = channel.empty()
    if( 'detection' in chains ) {
        MAKE_DEMO(suite('make_demo', settings))
        insects = MAKE_DEMO.out.folder
    }
    collection = channel.empty()
    if( 'identification' in chains ) {
        MAKE_SPECIMENS(suite('make_specimens', settings, [classes: n_species]))
        collection = MAKE_SPECIMENS.out.folder
    }
    nights = channel.empty()
    if( 'wingbeat' in chains ) {
        MAKE_RECORDINGS(suite('make_recordings', settings, [events: n_events]))
        nights = MAKE_RECORDINGS.out.folder
    }
    boxes = insects.map { folder -> folder.resolve('boxes/annotations.json') }
    labelled_images = insects.map { folder -> folder.resolve('labelled/labels.csv') }
    test_boxes = insects.map { folder -> folder.resolve('test_boxes.json') }
    audit_boxes = insects.map { folder -> folder.resolve('audit_boxes.json') }
    specimens = collection.map { folder -> folder.resolve('collection.csv') }
    unlabelled = collection.map { folder -> folder.resolve('unlabelled') }
    recordings = nights.map { folder -> folder.resolve('recordings.csv') }

    emit:
    boxes           // path: COCO JSON of images with boxes of insects
    labelled_images // path: CSV of photos with labels
    test_boxes      // path: COCO JSON of test images with boxes of the target
    audit_boxes     // path: COCO JSON of true boxes of some labelled photos
    specimens       // path: CSV of specimens with labels
    unlabelled      // path: folder of images to identify
    recordings      // path: CSV of recordings with labels
}
