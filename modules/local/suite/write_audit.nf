process WRITE_AUDIT {
    label 'process_single'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    path audits, stageAs: 'audits/*'
    tuple val(flags), path(script), path('entoflow/*')

    output:
    path 'audit.json', emit: audit

    script:
    """
    . entoflow/threads.sh ${task.cpus}
    python3 -m ${script.baseName} --audits ${audits} --audit audit.json ${flags}
    """
}
