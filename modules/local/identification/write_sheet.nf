process WRITE_SHEET {
    label 'process_low'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    path clusters
    path ranking
    path gallery
    path reviewed, stageAs: 'reviewed/?/*'
    path packs, stageAs: 'packs/*'
    tuple val(flags), path(script), path('entoflow/*'),
        path('entoflow/identification/*'), path('page_files/*')

    output:
    path 'sheet', emit: sheet

    script:
    def earlier = reviewed ? "--reviewed ${reviewed}" : ''
    """
    . entoflow/threads.sh ${task.cpus}
    python3 -m ${script.baseName} --clusters ${clusters} --ranking ${ranking} \\
        --gallery ${gallery} ${earlier} --packs packs/* --sheet sheet ${flags}
    """
}
