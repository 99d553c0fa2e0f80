process FETCH_BACKBONE {
    label 'process_single'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    path file, stageAs: 'given/*'
    tuple val(flags), path(script), path('entoflow/*'), path('entoflow/identification/*')

    output:
    path 'weights.safetensors', emit: weights

    script:
    """
    . entoflow/threads.sh ${task.cpus}
    python3 -m ${script.baseName} ${file ? "--file ${file}" : ''} --weights weights.safetensors \\
        ${flags}
    """
}
