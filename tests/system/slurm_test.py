#!/usr/bin/python3
"""deploy/slurm under a real Slurm: a munged, a slurmctld and a slurmd of our own, on free ports and in
a folder of their own. Needs root and Debian's slurm-wlm and munge; elsewhere it is skipped."""

import glob
import json
import os
import shutil
import socket
import subprocess
import unittest

from house import HANGS_S, ROOT, SLOW, House, free_port, program, until

TOOLS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel")
JOB = {"name": "cluster", "w": {"is": "cos(2*t)", "t": [0, 3000]}, "solver": "point",
       "z": {"start": [1, 0], "t": [0, 3000]}, "output": {"F": "z(3000)"}, "tolerance": 1e-9,
       "grid": {"q": {"from": 0, "to": 4, "count": 300}, "a": {"from": 5, "to": 7, "count": 300}}}

CONF = """
ClusterName=hillsweep
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld_port}
SlurmdPort={d_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,batch_sched_delay=0
KillWait=5
MinJobAge=10
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def why_not():
    if SLOW != 1:
        return "Slurm is tried with the release build alone"
    if os.geteuid():
        return "slurmd needs root"
    missing = [t for t in TOOLS if not shutil.which(t, path=os.environ["PATH"] + ":/usr/sbin")]
    return f"{', '.join(missing)} not here (packages slurm-wlm, munge)" if missing else None


REASON = why_not()
LONG = os.environ.get("HILLSWEEP_SLURM") == "long"


@unittest.skipIf(REASON, REASON)
class Slurm(House):
    def setUp(self):
        super().setUp()
        os.chmod(self.folder, 0o755)
        for name in ("munge", "state", "spool"):
            os.mkdir(self.path(name), 0o755)
        host = socket.gethostname().split(".")[0]
        with open(self.path("slurm.conf"), "w") as f:
            f.write(CONF.format(folder=self.folder, host=host, ctld_port=free_port(),
                                d_port=free_port()))
        self.env["SLURM_CONF"] = self.path("slurm.conf")
        self.env["PATH"] += ":/usr/sbin"
        with open(self.path("munge/key"), "wb") as f:
            f.write(os.urandom(1024))
        os.chmod(self.path("munge/key"), 0o600)
        self.start("munged", "--foreground", "--force", "--key-file", self.path("munge/key"),
                   "--socket", self.path("munge/socket"), "--pid-file", self.path("munge/pid"),
                   "--log-file", self.path("munge/log"), "--seed-file", self.path("munge/seed"))
        until(lambda: os.path.exists(self.path("munge/socket")), "munged is up")
        self.start("slurmctld", "-D")
        self.start("slurmd", "-D", "-N", host)
        self.addCleanup(self.empty_the_queue)
        until(lambda: "idle" in self.slurm("sinfo", "-h", "-o", "%T"), "the node is idle")

    def empty_the_queue(self):
        subprocess.run(["scancel", "-u", "root"], env=self.env, capture_output=True)
        until(lambda: not self.slurm("squeue", "-h").strip(), "the queue is empty")

    def slurm(self, *args):
        return subprocess.run(args, env=self.env, capture_output=True, text=True).stdout

    def sweep(self, *args):
        return self.start(f"{ROOT}/deploy/slurm/sweep", self.write_job(JOB), "--address",
                          "127.0.0.1", "-o", self.path("out"), *args)

    def asked(self, *args):
        state = self.path("out/.sweep")
        if not os.path.exists(f"{state}/port"):
            return {}  # it has only just begun
        with open(f"{state}/port") as f:
            port = f.read().strip()
        p = subprocess.run([program("hillsweep"), "--broker", f"tcp://127.0.0.1:{port}", "--keys",
                            f"{state}/keys/me.key", *args, "--json"], env=self.env,
                           capture_output=True, text=True)
        return json.loads(p.stdout) if p.returncode == 0 else {}

    def status_of_sweep(self):
        return self.asked("status")

    def workers(self):
        return self.asked("workers").get("workers", [])

    def worker_logs(self):
        logs = []
        for path in glob.glob(self.path("out/.sweep/log/worker-*")):
            with open(path, errors="replace") as f:
                logs.append(f.read())
        return logs

    def assert_as_run_here(self):
        self.client("run", self.path("job.json"), "-o", "here", "--full", broker=False)
        for name in ("F", "F.error", "status"):
            with open(self.path(f"here/{name}.npy"), "rb") as a, \
                    open(self.path(f"out/{name}.npy"), "rb") as b:
                self.assertEqual(a.read(), b.read(), name)

    def test_a_sweep_outlives_its_allocations(self):
        """Two workers at a time; allocations end, the array's next tasks carry on."""
        p = self.sweep("--nodes", "2", "--time", "5")
        until(lambda: len(self.workers()) == 2, "two workers")
        until(lambda: self.status_of_sweep().get("tiles_done", 0) > 0, "some tiles are done")
        first = {w["host"] for w in self.workers()}
        running = self.slurm("squeue", "-h", "-r", "-t", "running", "-o", "%i").split()
        self.assertEqual(len(running), 2)
        self.slurm("scancel", *running)  # as at the end of their time: SIGTERM, then SIGKILL
        until(lambda: self.status_of_sweep().get("state") != "running" or
              self.workers() and not first & {w["host"] for w in self.workers()},
              "the array's next tasks are at work")
        self.assertEqual(p.wait(3 * HANGS_S), 0)
        status = self.broker_again()
        self.assertEqual(status["state"], "done")
        self.assertEqual(status["points_done"], 90000)
        self.assertEqual(status["tiles_recomputed_after_ack"], 0)
        until(lambda: not self.slurm("squeue", "-h").strip(), "no worker is left behind")
        self.assert_as_run_here()
        self.assertGreaterEqual(sum("joined" in log for log in self.worker_logs()), 3)

    def broker_again(self):
        """What the sweep's broker knows, asked once more when the sweep has ended."""
        state = self.path("out/.sweep")
        self.data, self.endpoint = f"{state}/data", f"tcp://127.0.0.1:{free_port()}"
        broker = self.broker()
        status = self.status("1")
        broker.terminate()
        return status

    @unittest.skipUnless(LONG, "half a minute, on request: HILLSWEEP_SLURM=long")
    def test_an_interrupted_sweep_carries_on(self):
        p = self.sweep("--nodes", "2")
        until(lambda: self.status_of_sweep().get("tiles_done", 0) > 0, "some tiles are done")
        p.terminate()
        self.assertEqual(p.wait(HANGS_S), 130)
        until(lambda: not self.slurm("squeue", "-h").strip(), "its workers are gone")
        again = self.sweep("--nodes", "3")
        self.assertEqual(again.wait(3 * HANGS_S), 0)
        status = self.broker_again()
        self.assertEqual(status["tiles_recomputed_after_ack"], 0)
        self.assertEqual(status["id"], 1)
        self.assert_as_run_here()

    @unittest.skipUnless(LONG, "minutes, on request: HILLSWEEP_SLURM=long")
    def test_the_time_limit_is_honoured(self):
        """One worker, allocations of a minute: each leaves in time, none is killed."""
        JOB["grid"]["q"]["count"] = 30000  # some minutes for one core
        p = self.sweep("--nodes", "1", "--time", "1", "--", "--signal=TERM@30")
        self.assertEqual(p.wait(600), 0)
        said = self.worker_logs()
        left = [t for t in said if "Terminated" in t]
        print(f"{len(said)} allocations, {len(left)} left in time")
        self.assertGreaterEqual(len(said), 2)
        self.assertGreaterEqual(len(left), 1)
        self.assertFalse([t for t in said if "DUE TO TIME LIMIT" in t])
        self.assertEqual(self.broker_again()["tiles_recomputed_after_ack"], 0)
        self.assert_as_run_here()


class Words(House):
    """What needs no Slurm."""

    def sweep(self, *args, path=None):
        return subprocess.run([f"{ROOT}/deploy/slurm/sweep", *args], env=dict(self.env, **(
            {"PATH": path} if path else {})), cwd=self.folder, capture_output=True, text=True)

    def test_wrong_words_are_refused(self):
        self.write_job(JOB)
        for args, word in ((["nothing.json"], "no file"), (["job.json", "--nodes", "0"], "from 1"),
                           (["job.json", "--nodes"], "value"), (["job.json", "--cpu", "3"], "--cpu"),
                           (["job.json", "job.json"], "too many")):
            with self.subTest(args):
                p = self.sweep(*args)
                self.assertEqual(p.returncode, 2, p.stderr)
                self.assertIn(word, p.stderr)
        self.assertFalse(os.path.exists(self.path("job")))
        p = self.sweep("job.json", path="/usr/bin:/bin") if not shutil.which("sbatch") else None
        if p:
            self.assertIn("sbatch is not here", p.stderr)
        self.assertIn("--nodes N", self.sweep("--help").stdout)


if __name__ == "__main__":
    unittest.main()
