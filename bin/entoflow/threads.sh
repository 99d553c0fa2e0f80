# . entoflow/threads.sh N: the first line of a process's script. OpenMP takes N threads (torch, MKL and
# OpenBLAS ask it), and they do not spin while they wait, which slows a task beside it.
# A file and no function of suite.nf: a module that includes a function cannot be included by two
# scripts under Nextflow 25.04's v2 parser.
export OMP_NUM_THREADS=$1 OMP_WAIT_POLICY=PASSIVE
