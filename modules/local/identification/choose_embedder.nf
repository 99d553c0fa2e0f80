process CHOOSE_EMBEDDER {
    label 'process_medium'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    path specimens
    path embeddings, stageAs: 'embeddings/*'
    path models, stageAs: 'models/*'
    tuple val(flags), path(script), path('entoflow/*'), path('entoflow/identification/*')

    output:
    path 'embedder', emit: embedder
    path 'classifier_comparison.json', emit: comparison

    script:
    """
    . entoflow/threads.sh ${task.cpus}
    python3 -m ${script.baseName} --specimens ${specimens} --embeddings embeddings/* \\
        --models models/* --embedder embedder --comparison classifier_comparison.json ${flags}
    """
}
