process ENROL_SPECIMENS {
    label 'process_low'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    path specimens
    path embeddings, stageAs: 'embeddings/*'
    path embedder
    path into, stageAs: 'into/*'
    path detector, stageAs: 'detector/*'
    tuple val(flags), path(script), path('entoflow/*'), path('entoflow/identification/*')

    output:
    path 'gallery', emit: gallery
    path 'enrolment.json', emit: enrolment

    script:
    """
    . entoflow/threads.sh ${task.cpus}
    python3 -m ${script.baseName} --specimens ${specimens} --embeddings embeddings/* \\
        --embedder ${embedder} ${into ? "--into ${into}" : ''} \\
        ${detector ? '--detector detector' : ''} --gallery gallery --effect enrolment.json \\
        ${flags}
    """
}
