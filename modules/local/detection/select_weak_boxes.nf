process SELECT_WEAK_BOXES {
    label 'process_single'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    path labelled
    path predictions, stageAs: 'predictions/*'
    path reference
    path validation_predictions, stageAs: 'validation_predictions/*'
    path crop_scores
    path reviewed
    path packs, stageAs: 'packs/*'
    tuple val(flags), path(script), path('entoflow/*'), path('entoflow/detection/*')

    output:
    path 'weak_boxes.json', emit: weak_boxes
    path 'training.json', emit: training
    path 'weak_boxes_audit.json', emit: audit
    path 'samples.png', emit: samples

    script:
    """
    . entoflow/threads.sh ${task.cpus}
    python3 -m ${script.baseName} --labelled ${labelled} --predictions predictions/* \\
        --reference ${reference} --validation_predictions validation_predictions/* \\
        ${crop_scores ? "--crop_scores ${crop_scores}" : ''} --reviewed ${reviewed} \\
        --packs packs/* --weak_boxes weak_boxes.json --training training.json \\
        --audit weak_boxes_audit.json --samples samples.png ${flags}
    """
}
