process MEASURE_WEAK_BOXES {
    label 'process_single'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    path weak_boxes
    path audit_boxes
    tuple val(flags), path(script), path('entoflow/*'), path('entoflow/detection/*')

    output:
    path 'quality.json', emit: quality
    path 'ablation.json', emit: ablation
    path 'plots/*.png', emit: plots

    script:
    """
    . entoflow/threads.sh ${task.cpus}
    python3 -m ${script.baseName} --weak_boxes ${weak_boxes} --audit_boxes ${audit_boxes} \\
        --quality quality.json --ablation ablation.json --plots plots ${flags}
    """
}
