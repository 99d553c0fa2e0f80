process SPLIT_RECORDINGS {
    label 'process_single'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    path datasets
    path signals, stageAs: 'signals/*'
    tuple val(flags), path(script), path('entoflow/*'), path('entoflow/wingbeat/*')

    output:
    path 'clips.json', emit: clips
    path 'split.csv', emit: split
    path 'folds.csv', emit: folds
    path 'split_audit.json', emit: audit

    script:
    """
    . entoflow/threads.sh ${task.cpus}
    python3 -m ${script.baseName} --datasets ${datasets} --signals signals/* --clips clips.json \\
        --folds_table folds.csv --split split.csv --audit split_audit.json ${flags}
    """
}
