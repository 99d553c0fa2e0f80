process NAME_EVENTS {
    label 'process_medium'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    path datasets
    path signals, stageAs: 'signals/*'
    path model, stageAs: 'model/*'
    tuple val(flags), path(script), path('entoflow/*'), path('entoflow/wingbeat/*')

    output:
    path 'predictions.csv', emit: predictions_csv
    path 'predictions.json', emit: predictions_json
    path 'events/*.png', emit: pictures, optional: true

    script:
    """
    . entoflow/threads.sh ${task.cpus}
    python3 -m ${script.baseName} --datasets ${datasets} --signals signals/* --model model \\
        --predictions_csv predictions.csv --predictions_json predictions.json --pictures events \\
        ${flags}
    """
}
