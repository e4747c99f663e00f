"""The names in the run directory of one attempt by which its process and its executor understand each other."""

SPEC = "spec.json"  # the sealed JobSpec
PROCESS = "process.json"  # {"pid", "created"}: the process that leads the attempt
SPOOL = "spool.jsonl"  # its events, one for each line
HEARTBEAT = "heartbeat.json"  # its last sign of life
EXIT = "exit.json"  # {"code"}: its very last act
SCRATCH = "scratch"  # its working files; removed at the end

#: Of a run whose data lie at an address: its Errand, what was fetched, and the data set that came of it.
ERRAND, FETCHED, DATASET = "errand.json", "fetched", "dataset"
