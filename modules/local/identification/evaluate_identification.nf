process EVALUATE_IDENTIFICATION {
    label 'process_medium'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    path specimens
    path embeddings, stageAs: 'embeddings/*'
    path embedder
    path comparison
    tuple val(flags), path(script), path('entoflow/*'), path('entoflow/identification/*')

    output:
    path 'metrics.json', emit: metrics
    path 'predictions.csv', emit: predictions
    path 'plots/*.png', emit: plots

    script:
    """
    . entoflow/threads.sh ${task.cpus}
    python3 -m ${script.baseName} --specimens ${specimens} --embeddings embeddings/* \\
        --model ${embedder}/model.json --comparison ${comparison} --metrics metrics.json \\
        --predictions predictions.csv --plots plots ${flags}
    """
}
