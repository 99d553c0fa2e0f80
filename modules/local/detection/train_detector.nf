// A second attempt resumes from the checkpoint of the one that was cut off, where its folder can be
// reached.
process TRAIN_DETECTOR {
    tag "${name}"
    label 'process_high'
    label 'process_gpu'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    val name
    path dataset
    path packs, stageAs: 'packs/*'
    path weights, stageAs: 'start/*'
    tuple val(flags), path(script), path('entoflow/*'),
        path('entoflow/detection/*'), path('entoflow/detector/*')

    output:
    path 'model/*', emit: model
    path 'training.csv', emit: training

    script:
    def earlier = task.previousTrace ? "--resume_from '${task.previousTrace.workDir}'" : ''
    """
    . entoflow/threads.sh ${task.cpus}
    python3 -m ${script.baseName} --name ${name} --dataset ${dataset} --packs packs/* \\
        ${weights ? "--weights ${weights}" : ''} \\
        ${earlier} \\
        --model model --training training.csv ${flags}
    rm -rf scratch
    """
}
