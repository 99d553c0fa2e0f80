process COMPARE_FAMILIES {
    label 'process_single'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    path clips
    tuple path(samples), path(features)
    path predictions, stageAs: 'predictions/*'
    path models, stageAs: 'models/*'
    tuple val(flags), path(script), path('entoflow/*'), path('entoflow/wingbeat/*')

    output:
    path 'best', type: 'dir', emit: best
    path 'comparison.json', emit: comparison
    path 'metrics.json', emit: metrics
    path 'predictions.csv', emit: predictions
    path 'plots/*.png', emit: plots

    script:
    """
    . entoflow/threads.sh ${task.cpus}
    python3 -m ${script.baseName} --clips ${clips} --samples ${samples} --features ${features} \\
        --predictions predictions/* --models models/* --best best --comparison comparison.json \\
        --metrics metrics.json --predictions_csv predictions.csv --plots plots ${flags}
    """
}
