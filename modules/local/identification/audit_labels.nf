process AUDIT_LABELS {
    label 'process_low'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    path specimens
    path embeddings, stageAs: 'embeddings/*'
    path comparison
    path packs, stageAs: 'packs/*'
    tuple val(flags), path(script), path('entoflow/*'),
        path('entoflow/identification/*'), path('page_files/*')

    output:
    path 'label_audit.csv', emit: table
    path 'label_audit.html', emit: page

    script:
    """
    . entoflow/threads.sh ${task.cpus}
    python3 -m ${script.baseName} --specimens ${specimens} --embeddings embeddings/* \\
        --comparison ${comparison} --packs packs/* --table label_audit.csv \\
        --page label_audit.html ${flags}
    """
}
