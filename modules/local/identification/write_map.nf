process WRITE_MAP {
    label 'process_medium'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    path gallery
    path datasets
    path embeddings, stageAs: 'embeddings/*'
    path packs, stageAs: 'packs/*'
    path tables, stageAs: 'tables/*'
    tuple val(flags), path(script), path('entoflow/*'),
        path('entoflow/identification/*'), path('page_files/*')

    output:
    path 'map.html', emit: map

    script:
    def queries = datasets ? "--datasets ${datasets} --embeddings ${embeddings}" : ''
    def pictures = packs ? "--packs ${packs}" : ''
    def facts = tables ? "--tables ${tables}" : ''
    """
    . entoflow/threads.sh ${task.cpus}
    python3 -m ${script.baseName} --gallery ${gallery} ${queries} ${pictures} ${facts} \\
        --map map.html ${flags}
    """
}
