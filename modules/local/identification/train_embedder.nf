process TRAIN_EMBEDDER {
    label 'process_high'
    label 'process_gpu'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    path specimens
    path packs, stageAs: 'packs/*'
    path weights, stageAs: 'start/*'
    tuple val(flags), path(script), path('entoflow/*'), path('entoflow/identification/*')

    output:
    path 'models/*', type: 'dir', emit: models
    path 'training.csv', emit: training

    script:
    """
    . entoflow/threads.sh ${task.cpus}
    python3 -m ${script.baseName} --specimens ${specimens} --packs packs/* \\
        ${weights ? "--weights ${weights}" : ''} --models models --training training.csv ${flags}
    """
}
