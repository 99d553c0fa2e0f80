process CROP_IMAGES {
    tag "${photos.baseName}"
    label 'process_high'
    label 'process_gpu'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    tuple val(role), path(photos, stageAs: 'photos/*'), path(packs, stageAs: 'photos/*')
    path detector, stageAs: 'detector/*'
    tuple val(flags), path(script), path('entoflow/*'),
        path('entoflow/detector/*'), path('entoflow/identification/*')

    output:
    tuple val(role), path("${photos.baseName}.json"), emit: dataset
    path "${photos.baseName}_crop_audit.json", emit: audit
    tuple val(role), path("${photos.baseName}_*.zip"), emit: packs

    script:
    """
    . entoflow/threads.sh ${task.cpus}
    python3 -m ${script.baseName} --photos ${photos} --packs ${packs} --detector detector \\
        --dataset ${photos.baseName}.json --audit ${photos.baseName}_crop_audit.json \\
        --packs_folder . ${flags}
    rm -rf scratch
    """
}
