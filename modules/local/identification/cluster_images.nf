process CLUSTER_IMAGES {
    label 'process_medium'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    path datasets
    path embeddings, stageAs: 'embeddings/*'
    path gallery
    tuple val(flags), path(script), path('entoflow/*'), path('entoflow/identification/*')

    output:
    path 'clusters.csv', emit: clusters
    path 'ranking.json', emit: ranking

    script:
    """
    . entoflow/threads.sh ${task.cpus}
    python3 -m ${script.baseName} --datasets ${datasets} --embeddings embeddings/* \\
        --gallery ${gallery} --clusters clusters.csv --ranking ranking.json ${flags}
    """
}
