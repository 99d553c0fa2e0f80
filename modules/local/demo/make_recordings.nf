process MAKE_RECORDINGS {
    label 'process_medium'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    tuple val(flags), path(script), path('entoflow/*'), path('entoflow/demo/*')

    output:
    path 'demo_recordings', emit: folder

    script:
    """
    . entoflow/threads.sh ${task.cpus}
    python3 -m ${script.baseName} --folder demo_recordings ${flags}
    """
}
