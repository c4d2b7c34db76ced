# hillsweep on this machine; driven.json is client/examples/driven.json.
hillsweep run driven.json
hillsweep results driven -o rows.txt
