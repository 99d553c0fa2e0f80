process MAKE_SPECIMENS {
    label 'process_medium'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    tuple val(flags), path(script), path('entoflow/*'), path('entoflow/demo/*')

    output:
    path 'demo_specimens', emit: folder

    script:
    """
    . entoflow/threads.sh ${task.cpus}
    python3 -m ${script.baseName} --folder demo_specimens ${flags}
    """
}
