process LABEL_REVIEWED {
    label 'process_single'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    path reviewed, stageAs: 'reviewed/?/*'
    path datasets, stageAs: 'unlabelled/*'
    path specimens, stageAs: 'specimens/*'
    path gallery, stageAs: 'held/*'
    tuple val(flags), path(script), path('entoflow/*'), path('entoflow/identification/*')

    output:
    path 'reviewed.json', emit: dataset
    path 'reviewed_audit.json', emit: audit

    script:
    """
    . entoflow/threads.sh ${task.cpus}
    python3 -m ${script.baseName} --reviewed ${reviewed} --datasets ${datasets} \\
        ${specimens ? "--specimens ${specimens}" : ''} ${gallery ? "--gallery ${gallery}" : ''} \\
        --dataset reviewed.json --audit reviewed_audit.json ${flags}
    """
}
