process WRITE_PREDICTIONS {
    label 'process_single'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    path datasets
    path predictions, stageAs: 'predictions/*'
    path model, stageAs: 'model/*'
    tuple val(flags), path(script), path('entoflow/*'), path('entoflow/detection/*')

    output:
    path 'predictions.csv', emit: predictions_csv
    path 'predictions.json', emit: predictions_json

    script:
    """
    . entoflow/threads.sh ${task.cpus}
    python3 -m ${script.baseName} --datasets ${datasets} --predictions predictions/* \\
        --model model/model.json --predictions_csv predictions.csv \\
        --predictions_json predictions.json ${flags}
    """
}
