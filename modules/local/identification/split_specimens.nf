process SPLIT_SPECIMENS {
    label 'process_single'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    path datasets
    tuple val(flags), path(script), path('entoflow/*')

    output:
    path 'split.csv', emit: split
    path 'split_audit.json', emit: audit
    path 'specimens.json', emit: specimens
    path 'unlabelled.json', emit: unlabelled

    script:
    """
    . entoflow/threads.sh ${task.cpus}
    python3 -m ${script.baseName} --datasets ${datasets} --split split.csv \\
        --audit split_audit.json --specimens specimens.json --unlabelled unlabelled.json ${flags}
    """
}
