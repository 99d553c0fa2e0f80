// The best round's files leave here as they came, under the names that they are published by, with
// a table of all rounds.
process KEEP_ROUND {
    label 'process_single'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    val number
    path weak_boxes, stageAs: 'weak_boxes/*'
    path plots, stageAs: 'weak_boxes/plots/*'
    path target_detector, stageAs: 'target_detector/*'
    path round_models, stageAs: 'rounds/model_?.json'
    path round_weak_boxes, stageAs: 'rounds/weak_boxes_?.json'
    path round_qualities, stageAs: 'rounds/quality_?.json'
    tuple val(flags), path(script), path('entoflow/*'), path('entoflow/detection/*')

    output:
    path 'weak_boxes/weak_boxes.json', emit: weak_boxes, includeInputs: true
    path 'weak_boxes/{samples.png,rounds.csv}', emit: samples_and_rounds, includeInputs: true
    path 'weak_boxes/{quality,ablation}.json', emit: quality, includeInputs: true, optional: true
    path 'weak_boxes/plots/*', emit: plots, includeInputs: true, optional: true
    path 'target_detector/{README.md,model.json,weights.safetensors}',
        emit: model, includeInputs: true
    path 'target_detector/training.csv', emit: training, includeInputs: true

    script:
    """
    . entoflow/threads.sh ${task.cpus}
    python3 -m ${script.baseName} --kept ${number} --models rounds/model_* \\
        --weak_boxes rounds/weak_boxes_* ${round_qualities ? '--qualities rounds/quality_*' : ''} \\
        --table weak_boxes/rounds.csv ${flags}
    """
}
