// `fingerprint` stands for the bytes of the source's files and of the code; 'lenient', as a
// folder's time stamp says nothing of its content.
process IMPORT_RECORDINGS {
    tag "${name}"
    label 'process_medium'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'lenient'

    input:
    tuple val(role), val(name), path(source, stageAs: 'source/*'), val(fingerprint)
    tuple val(flags), path(script), path('entoflow/*'), path('entoflow/wingbeat/*')

    output:
    tuple val(role), path("${name}.json"), emit: dataset
    path "${name}_audit.json", emit: audit
    tuple val(role), path("${name}.npy"), emit: signals

    script:
    """
    . entoflow/threads.sh ${task.cpus}
    python3 -m ${script.baseName} --source ${source} --role ${role} --dataset ${name}.json \\
        --signals ${name}.npy --audit ${name}_audit.json --cpus ${Math.max(2, task.cpus)} \\
        ${flags}
    """
}
