process IDENTIFY_IMAGES {
    label 'process_low'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    path datasets
    path embeddings, stageAs: 'embeddings/*'
    path gallery
    tuple val(flags), path(script), path('entoflow/*'), path('entoflow/identification/*')

    output:
    path 'identified.csv', emit: identified

    script:
    """
    . entoflow/threads.sh ${task.cpus}
    python3 -m ${script.baseName} --datasets ${datasets} --embeddings embeddings/* \\
        --gallery ${gallery} --identified identified.csv ${flags}
    """
}
