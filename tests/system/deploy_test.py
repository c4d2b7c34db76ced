#!/usr/bin/python3
"""The files below deploy/ for engines that are not here agree with themselves and with the programs:
every program, option, file, volume and secret that they name exists, and what they run is run, with
addresses and folders of the test's own."""

import json
import os
import re
import shlex
import shutil
import subprocess
import unittest

import yaml

from house import ROOT, House, program, until

PROGRAMS = ("hillsweep", "hillsweep-broker", "hillsweep-worker")


def read(path):
    with open(os.path.join(ROOT, "deploy", path)) as f:
        return f.read()


def options_of(words):
    """The options that a program's help, or that of its command, tells of."""
    command = [w for w in words[1:] if re.fullmatch("[a-z]+", w)][:1] if words[0] == "hillsweep" else []
    return set(re.findall(r"--[a-z-]+", subprocess.run(
        [program(words[0]), *command, "--help"], capture_output=True, text=True, check=True).stdout))


class Deploy(House):
    def assert_runs(self, words):
        self.assertIn(words[0], PROGRAMS)
        for word in words[1:]:
            if word.startswith("--"):
                self.assertIn(word.split("=")[0], options_of(words), words)

    def test_compose(self):
        compose = yaml.safe_load(read("container/compose.yaml"))
        services = compose["services"]
        self.assertEqual(set(services), {"broker", "worker"})
        for service in services.values():
            self.assert_runs(service["entrypoint"])
        test = services["broker"]["healthcheck"]["test"]
        self.assertEqual(test[0], "CMD")
        self.assert_runs(test[1:])
        self.assertIn("tcp://broker:7117", services["worker"]["entrypoint"])
        self.assertEqual(services["broker"]["ports"], ["127.0.0.1:7117:7117"])  # not beyond it
        data = dict(v.split(":") for v in services["broker"]["volumes"])
        self.assertEqual(set(data), set(compose["volumes"]))
        self.assertIn(list(data.values())[0], services["broker"]["entrypoint"])
        build = services["broker"]["build"]
        context = os.path.normpath(os.path.join(ROOT, "deploy/container", build["context"]))
        self.assertEqual(context, os.path.normpath(ROOT))
        self.assertTrue(os.path.exists(os.path.join(context, build["dockerfile"])))

    @unittest.skipUnless(shutil.which("docker") and subprocess.run(
        ["docker", "compose", "version"], capture_output=True).returncode == 0,
        "docker compose is not here")
    def test_compose_as_docker_reads_it(self):
        subprocess.run(["docker", "compose", "-f", f"{ROOT}/deploy/container/compose.yaml", "config",
                        "-q"], check=True)

    def test_containerfile(self):
        text = read("container/Containerfile")
        for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.M):
            for source in line.split()[:-1]:
                self.assertTrue(os.path.exists(os.path.join(ROOT, source)), line)
        for name in re.findall(r"deploy/[\w/-]+", text):
            self.assertTrue(os.path.exists(os.path.join(ROOT, name)), name)

    def test_htcondor(self):
        text = read("htcondor/worker.sub")
        settings = dict(re.findall(r"^(\w+)\s*=\s*(.*)$", text, re.M))
        self.assertEqual(os.path.basename(settings["executable"]), "hillsweep-worker")
        self.assert_runs(["hillsweep-worker"] + shlex.split(settings["arguments"].strip('"')))
        asked = set(re.findall(r"\$\((\w+)\)|\$F\w+\((\w+)\)", text))
        asked = {a or b for a, b in asked} - {"ClusterId", "ProcId", "Cpus"}
        told = set(re.findall(r"(\w+)=", re.search(r"condor_submit (.*)", text).group(1)))
        self.assertEqual(asked, told)
        self.assertRegex(text, r"(?m)^queue \$\(workers\)$")

    def test_slurm(self):
        text = read("slurm/worker.sbatch")
        options = set(re.findall(r"--[a-z-]+", text[text.index("hillsweep-worker}"):]))
        self.assertEqual(options, {"--full", "--threads", "--name"})
        self.assertLessEqual(options, options_of(["hillsweep-worker"]))


class Kubernetes(House):
    def setUp(self):
        super().setUp()
        self.text = read("kubernetes/hillsweep.yaml")
        self.things = {(d["kind"], d["metadata"]["name"]): d for d in yaml.safe_load_all(self.text)}
        self.broker_set = self.things["StatefulSet", "broker"]["spec"]
        self.worker_set = self.things["Deployment", "worker"]["spec"]

    def test_names_agree(self):
        for (kind, name), thing in self.things.items():
            if kind not in ("Namespace", "PriorityClass"):
                self.assertEqual(thing["metadata"]["namespace"], "hillsweep", (kind, name))
        service = self.things["Service", "broker"]["spec"]
        self.assertEqual(self.broker_set["serviceName"], "broker")
        self.assertEqual(self.broker_set["replicas"], 1)  # two would share one disk
        self.assertEqual(service["selector"], self.broker_set["template"]["metadata"]["labels"])
        port = self.broker_set["template"]["spec"]["containers"][0]["ports"][0]["containerPort"]
        self.assertEqual(service["ports"][0]["targetPort"], port)
        secrets = set(re.findall(r"create secret generic ([\w-]+)", self.text))
        for spec in (self.broker_set, self.worker_set):
            self.assertEqual(spec["selector"]["matchLabels"], spec["template"]["metadata"]["labels"])
            pod = spec["template"]["spec"]
            known = {v["name"] for v in pod["volumes"]}
            known |= {c["metadata"]["name"] for c in spec.get("volumeClaimTemplates", [])}
            for container in pod["initContainers"] + pod["containers"]:
                for mount in container["volumeMounts"]:
                    self.assertIn(mount["name"], known)
            named = {v["secret"]["secretName"] for v in pod["volumes"] if "secret" in v}
            self.assertLessEqual(named, secrets)
            secrets -= named
        self.assertEqual(secrets, set())
        self.assertIn(("PriorityClass",
                       self.worker_set["template"]["spec"]["priorityClassName"]), self.things)

    def pod(self, spec, secret):
        """A pod's folders; its commands, moved there."""
        folder = self.path("pod-" + secret)
        for name in ("secret", "keys", "data"):
            os.makedirs(f"{folder}/{name}")
        pod = spec["template"]["spec"]

        def moved(words):
            return [re.sub(r"(^|[ =])/(secret|keys|data)\b", rf"\1{folder}/\2", w) for w in words]
        return folder, moved(pod["initContainers"][0]["command"]), moved(pod["containers"][0]["command"])

    def test_what_it_runs_runs(self):
        keys = self.path("made")
        for role, name in (("admin", "me"), ("worker", "pods")):
            self.client("keys", "new", role, name, "--keys", keys, broker=False)
        folder, init, command = self.pod(self.broker_set, "broker-keys")
        for name in os.listdir(keys):  # as files of a secret are: everybody's to read
            shutil.copy(f"{keys}/{name}", f"{folder}/secret")
            os.chmod(f"{folder}/secret/{name}", 0o644)
        subprocess.run(init, check=True)
        command[command.index("tcp://0.0.0.0:7117")] = self.endpoint
        self.start(program(command[0]), *command[1:])
        folder, init, command = self.pod(self.worker_set, "worker-key")
        shutil.copy(f"{keys}/pods.key", f"{folder}/secret/worker.key")
        os.chmod(f"{folder}/secret/worker.key", 0o644)
        subprocess.run(init, check=True)
        command[command.index("tcp://broker:7117")] = self.endpoint
        self.start(program(command[0]), *command[1:])
        until(lambda: len(json.loads(self.client("--keys", f"{keys}/me.key", "workers",
                                                 "--json").stdout)["workers"]) == 1,
              "the worker has joined the broker")


if __name__ == "__main__":
    unittest.main()
