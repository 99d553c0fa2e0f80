include { threads } from '../../lib/suite'

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
    tuple val(flags), path(script), path('entoflow/*'), path('entoflow/identification/*')

    output:
    path 'sheet', emit: sheet

    script:
    """
    ${threads(task.cpus)}
    python3 -m ${script.baseName} --clusters ${clusters} --ranking ${ranking} \\
        --gallery ${gallery} ${reviewed ? "--reviewed ${reviewed}" : ''} --packs packs/* \\
        --sheet sheet ${flags}
    """
}
