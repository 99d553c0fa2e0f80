process EXTRACT_FEATURES {
    label 'process_single'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    path clips
    path signals, stageAs: 'signals/*'
    tuple val(flags), path(script), path('entoflow/*'), path('entoflow/wingbeat/*')

    output:
    tuple path('samples.npy'), path('features.npz'), emit: features
    path 'features.csv', emit: table

    script:
    """
    . entoflow/threads.sh ${task.cpus}
    python3 -m ${script.baseName} --clips ${clips} --signals signals/* --samples samples.npy \\
        --features features.npz --table features.csv ${flags}
    """
}
