// The files are laid out as they are published, so that a report can be written of any results
// folder: bin/suite/write_report.py --results.
process WRITE_REPORT {
    label 'process_single'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    tuple val(folders), path(files, stageAs: 'files/?/*')
    val params_json
    tuple val(flags), path(script), path('entoflow/*'),
        path('entoflow/report/*'), path('page_files/*')

    output:
    path 'report.html', emit: report

    script:
    def places = [folders, [files].flatten()].transpose()
    def links = places.collect { folder, file ->
        "mkdir -p results/${folder} && ln -s \"\$PWD\"/${file} results/${folder}/"
    }
    """
    . entoflow/threads.sh ${task.cpus}
    cat > params.json <<'END_OF_PARAMETERS'
    ${params_json}
    END_OF_PARAMETERS
    ${links.join('\n    ')}
    python3 -m ${script.baseName} --results results --params params.json --report report.html \\
        ${flags}
    """
}
