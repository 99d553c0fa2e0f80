process EVALUATE_DETECTOR {
    label 'process_medium'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    path test
    path predictions, stageAs: 'predictions/*'
    path model, stageAs: 'model/*'
    path packs, stageAs: 'packs/*'
    tuple val(flags), path(script), path('entoflow/*'), path('entoflow/detection/*')

    output:
    path 'metrics.json', emit: metrics
    path 'predictions.json', emit: predictions_json
    path 'predictions.csv', emit: predictions_csv
    path 'plots/*.png', emit: plots

    script:
    """
    . entoflow/threads.sh ${task.cpus}
    python3 -m ${script.baseName} --test ${test} --predictions predictions/* \\
        --model model/model.json --packs packs/* --metrics metrics.json \\
        --predictions_json predictions.json --predictions_csv predictions.csv --plots plots \\
        ${flags}
    """
}
