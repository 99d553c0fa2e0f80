process WRITE_REVIEW {
    label 'process_single'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    path weak_boxes
    path packs, stageAs: 'packs/*'
    tuple val(flags), path(script), path('entoflow/*'),
        path('entoflow/detection/*'), path('entoflow/formats/*')

    output:
    path 'review/review.csv', emit: table
    path 'review/review.png', emit: sheet
    path 'review/label_studio.*', emit: label_studio
    path 'review/supervisely', emit: supervisely

    script:
    """
    . entoflow/threads.sh ${task.cpus}
    python3 -m ${script.baseName} --weak_boxes ${weak_boxes} --packs packs/* --review review \\
        ${flags}
    """
}
