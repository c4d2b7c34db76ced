# GNU parallel: a job for each q, with a log from which it resumes.
nq=100
seq 0 $((nq - 1)) | parallel --joblog jobs.log --resume-failed --retries 3 python3 row.py {} >>rows.txt
