process SPLIT_IMAGES {
    label 'process_single'
    conda "${moduleDir}/../../../envs/base.yml"
    cache 'deep'

    input:
    path datasets
    tuple val(flags), path(script), path('entoflow/*'), path('entoflow/detection/*')

    output:
    path 'split.csv', emit: split
    path 'split_audit.json', emit: audit
    path 'insect.json', emit: insect
    path 'labelled.json', emit: labelled
    path 'test.json', emit: test
    path 'audit_boxes.json', emit: audit_boxes
    path 'reviewed.json', emit: reviewed
    path 'insect_validation.txt', emit: validation_ids
    path 'labelled.txt', emit: labelled_ids
    path 'test.txt', emit: test_ids

    script:
    """
    . entoflow/threads.sh ${task.cpus}
    python3 -m ${script.baseName} --datasets ${datasets} --split split.csv \\
        --audit split_audit.json --insect insect.json --labelled labelled.json --test test.json \\
        --audit_boxes audit_boxes.json --reviewed reviewed.json \\
        --validation_ids insect_validation.txt --labelled_ids labelled.txt --test_ids test.txt \\
        ${flags}
    """
}
