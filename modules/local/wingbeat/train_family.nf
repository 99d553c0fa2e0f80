// One family of sound models: the script is train_<family>.py. It names the events of one fold of a partition, having
// learned from the others; without a partition it learns from all, and its model folder is made.
process TRAIN_FAMILY {
    tag "${family}${partition ? " ${partition} ${fold}" : ''}"
    label 'process_medium'
    label 'process_gpu'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    tuple val(family), val(partition), val(fold), val(flags), path(script), path('entoflow/*'), path('entoflow/wingbeat/*')
    path clips
    tuple path(samples), path(features)

    output:
    path "${family}_*.npz", emit: predictions, optional: true
    path family, type: 'dir', emit: model, optional: true

    script:
    """
    export OMP_NUM_THREADS=${task.cpus}
    python3 -m ${script.baseName} --clips ${clips} --samples ${samples} --features ${features} \\
        ${partition ? "--partition ${partition} --fold ${fold} --predictions ${family}_${partition}_${fold}.npz" : "--model ${family}"} ${flags}
    """
}
