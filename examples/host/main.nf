// Somebody else's pipeline with the detection chain in it: none of its configuration or parameters.
include { DETECTION } from '../../subworkflows/detection/main'

params.boxes = null
params.labelled_images = null
params.test_boxes = null
params.target = ''

workflow {
    settings = [
        train_detector: [max_epochs: 1, image_size: 64],
        select_weak_boxes: [weak_rule: 'top1'],
    ]
    DETECTION(
        channel.fromPath(params.boxes),
        channel.fromPath(params.labelled_images),
        channel.fromPath(params.test_boxes),
        channel.empty(), // true boxes, to measure the weak boxes with
        channel.empty(), // weak boxes that a person corrected
        params.target,
        'none', // random weights
        settings,
    )
    DETECTION.out.metrics.view { path -> "metrics: ${path}" }
    DETECTION.out.predictions.view { path -> "predictions: ${path}" }
    DETECTION.out.weak_boxes.view { path -> "weak_boxes: ${path}" }
    DETECTION.out.target_detector.flatten().view { path -> "target_detector: ${path}" }
}
