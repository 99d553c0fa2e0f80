// The files are laid out as they are published, so that the report of a results folder can be written by hand too.
process WRITE_REPORT {
    label 'process_single'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    path detection, stageAs: 'results/detection/*'
    path insect_detector, stageAs: 'results/detection/insect_detector/*'
    path weak_boxes, stageAs: 'results/detection/weak_boxes/*'
    path review, stageAs: 'results/detection/weak_boxes/review/*'
    path target_detector, stageAs: 'results/detection/target_detector/*'
    path evaluation, stageAs: 'results/detection/evaluation/*'
    path plots, stageAs: 'results/detection/evaluation/plots/*'
    path identification, stageAs: 'results/identification/*'
    path embedder, stageAs: 'results/identification/embedder/*'
    path identification_evaluation, stageAs: 'results/identification/evaluation/*'
    path identification_plots, stageAs: 'results/identification/evaluation/plots/*'
    path wingbeat, stageAs: 'results/wingbeat/*'
    path wingbeat_evaluation, stageAs: 'results/wingbeat/evaluation/*'
    path wingbeat_plots, stageAs: 'results/wingbeat/evaluation/plots/*'
    val params_json
    tuple val(flags), path(script), path('entoflow/*'), path('entoflow/report/*'), path('page_files/*')

    output:
    path 'report.html', emit: report

    script:
    """
    cat > params.json <<'END_OF_PARAMETERS'
    ${params_json}
    END_OF_PARAMETERS
    python3 -m ${script.baseName} --results results --params params.json --report report.html ${flags}
    """
}
