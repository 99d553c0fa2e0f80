process EMBED_IMAGES {
    tag "${pack.baseName}"
    label 'process_medium'
    label 'process_gpu'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    tuple path(pack), path(models, stageAs: 'models/*')
    tuple val(flags), path(script), path('entoflow/*'), path('entoflow/identification/*')

    output:
    path "${pack.baseName}.npz", emit: embeddings

    script:
    """
    . entoflow/threads.sh ${task.cpus}
    python3 -m ${script.baseName} --models models/* --packs ${pack} \\
        --embeddings ${pack.baseName}.npz ${flags}
    """
}
