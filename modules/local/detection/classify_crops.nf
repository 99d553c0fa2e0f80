process CLASSIFY_CROPS {
    label 'process_high'
    label 'process_gpu'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    path labelled
    path predictions, stageAs: 'predictions/*'
    path reference
    path validation_predictions, stageAs: 'validation_predictions/*'
    path labelled_packs, stageAs: 'labelled_packs/*'
    path reference_packs, stageAs: 'reference_packs/*'
    tuple val(flags), path(script), path('entoflow/*'), path('entoflow/detection/*')

    output:
    path 'crop_scores.npz', emit: crop_scores

    script:
    """
    . entoflow/threads.sh ${task.cpus}
    python3 -m ${script.baseName} --labelled ${labelled} --predictions predictions/* \\
        --reference ${reference} --validation_predictions validation_predictions/* \\
        --packs labelled_packs/* reference_packs/* --crop_scores crop_scores.npz ${flags}
    """
}
