# hillsweep with a broker and two workers, all started for this one job.
export HILLSWEEP_BROKER="ipc://$PWD/socket"
hillsweep-broker --listen "$HILLSWEEP_BROKER" --data data & broker=$!
hillsweep-worker --broker "$HILLSWEEP_BROKER" --threads 1 & one=$!
hillsweep-worker --broker "$HILLSWEEP_BROKER" --threads 1 & two=$!
hillsweep submit --wait driven.json
hillsweep results last -o rows.txt
kill $one $two $broker
wait
