// One family of sound models: the script is train_<family>.py. It predicts the events of one fold
// of a partition by a model of the others; without a partition it trains on all: the model.
process TRAIN_FAMILY {
    tag "${family}${partition ? " ${partition} ${fold}" : ''}"
    label 'process_medium'
    label 'process_gpu'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    tuple val(family), val(partition), val(fold), val(flags), path(script), path('entoflow/*'),
        path('entoflow/wingbeat/*')
    path clips
    tuple path(samples), path(features)

    output:
    path "${family}_*.npz", emit: predictions, optional: true
    path "models/${family}", type: 'dir', emit: model, optional: true

    script:
    def predictions = "${family}_${partition}_${fold}.npz"
    def of_fold = "--partition ${partition} --fold ${fold} --predictions ${predictions}"
    def of_all = "--model models/${family}"
    """
    . entoflow/threads.sh ${task.cpus}
    python3 -m ${script.baseName} --clips ${clips} --samples ${samples} --features ${features} \\
        ${partition ? of_fold : of_all} ${flags}
    """
}
