process PREDICT_BOXES {
    tag "${pack.baseName}"
    label 'process_medium'
    label 'process_gpu'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    tuple path(pack), path(images), path(model, stageAs: 'model/*')
    tuple val(flags), path(script), path('entoflow/*'),
        path('entoflow/detection/*'), path('entoflow/detector/*')

    output:
    path "${pack.baseName}.npz", emit: predictions

    script:
    """
    . entoflow/threads.sh ${task.cpus}
    python3 -m ${script.baseName} --model model --packs ${pack} \\
        ${images ? "--images ${images}" : ''} --predictions ${pack.baseName}.npz ${flags}
    rm -rf scratch
    """
}
