#!/usr/bin/python3
"""Completion in the shells themselves, manual pages without a warning, and what `cmake --install`
puts where."""

import os
import re
import shutil
import subprocess
import unittest

from house import BIN, HANGS_S, SLOW, House, driven
from terminal import Terminal

BUILD = os.path.dirname(os.path.abspath(BIN))
PROGRAMS = ("hillsweep", "hillsweep-broker", "hillsweep-worker")

# The line is complete up to its last word.
BASH = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
compopt() { :; }
"$(complete -p "$1" | sed 's/.*-F \\([^ ]*\\) .*/\\1/')"
printf '%s\\n' "${COMPREPLY[@]}"
"""

# zsh completes in an interactive shell only: the tabulator completes the line, or lists what is
# possible.
ZSH = """PS1='> '; fpath=(%s $fpath); autoload -U compinit; compinit -u -D; print REA''DY
"""


@unittest.skipIf(SLOW > 1, "the shells are not ours to sanitize")
class Shells(House):
    terminal = None

    def file(self, *path):
        return os.path.join(BUILD, "share", *path)

    def shell(self, *args):
        p = subprocess.run(args, cwd=self.folder, env=dict(self.env, HILLSWEEP_BROKER=self.endpoint,
                                                           TERM="xterm", LC_ALL="C.UTF-8"),
                           stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=HANGS_S)
        self.assertEqual(p.returncode, 0, f"{args}\n{p.stdout}\n{p.stderr}")
        return p.stdout

    def bash(self, line):
        script = self.file("bash-completion/completions", line.split()[0])
        return self.shell("bash", "-c", BASH, "bash", script, *line.split(" ")).split()

    def fish(self, line):
        script = self.file("fish/vendor_completions.d", line.split()[0] + ".fish")
        out = self.shell("fish", "--no-config", "-c", 'source $argv[1]; complete -C $argv[2]', script,
                         line)
        return [word.split("\t")[0] for word in out.splitlines()]

    def start_zsh(self):
        env = dict(self.env, HILLSWEEP_BROKER=self.endpoint, TERM="xterm", LC_ALL="C.UTF-8",
                   HOME=self.folder)
        t = Terminal([shutil.which("zsh"), "-f", "-i"], env, self.folder, columns=120, lines=100)
        self.addCleanup(lambda: (t.type(b"\x15exit\n"), t.finish()))
        t.type((ZSH % self.file("zsh/site-functions")).encode())
        t.until(lambda t: t.text().endswith("READY\n>"), "zsh")
        return t

    def zsh(self, line, word):
        """Waits until the word is on the screen; what else is there."""
        self.terminal = self.terminal or self.start_zsh()
        t = self.terminal
        t.type(b"\x15\x0c" + line.encode() + b"\t\t")
        found = re.compile(r"(^|[\s=])" + re.escape(word) + r"/?($|\s)", re.M)
        t.until(lambda t: t.text().startswith("> " + line[:9]) and
                found.search(t.text()[2 + len(line.rsplit(" ", 1)[0]):]), f"{line}: {word}")
        return t.text()

    def each(self, line, word, but=None):
        """All three shells offer the word (and not `but`) for the line."""
        for shell in (self.bash, self.fish):
            words = [w.rstrip("/") for w in shell(line)]
            self.assertIn(word, words, f"{shell.__name__}: {line}")
            self.assertNotIn(but, words, f"{shell.__name__}: {line}")
        text = self.zsh(line, word)
        if but:
            self.assertNotIn(but, text, f"zsh: {line}")

    def test_commands_options_and_choices(self):
        self.each("hillsweep su", "submit")
        self.each("hillsweep ", "status")
        self.each("hillsweep submit --p", "--priority")
        self.each("hillsweep submit --b", "--broker")
        self.each("hillsweep workers ", "resume")
        self.each("hillsweep-worker --log ", "debug")
        self.each("hillsweep-broker --d", "--data")

    def test_files_and_folders(self):
        self.write_job(driven(), "mine.json")
        os.mkdir(self.path("mind"))
        self.each("hillsweep run mine", "mine.json")
        self.each("hillsweep run x.json -o mi", "mind", but="mine.json")

    def test_jobs_of_the_broker(self):
        self.broker()
        self.submit(driven(name="tongue"))
        self.each("hillsweep status to", "tongue")
        self.each("hillsweep wait ", "last")

    def test_no_broker_does_not_hold_the_shell_up(self):
        self.assertEqual(self.bash("hillsweep status to"), [])

    def test_manual_pages(self):
        for program in PROGRAMS:
            page = self.file("man/man1", program + ".1")
            p = subprocess.run(["groff", "-man", "-ww", "-z", "-Tutf8", page], capture_output=True,
                               text=True)
            self.assertEqual((p.returncode, p.stderr), (0, ""))
            text = self.shell("groff", "-man", "-Tascii", "-P-c", "-P-u", "-P-b", page)
            self.assertIn("NAME\n       " + program, text)
            help_text = self.program(program, "--help").stdout
            for option in re.findall(r"--[a-z-]+", help_text):
                self.assertIn(option, text.replace("\n", " "), program)

    def test_what_is_installed(self):
        self.shell("cmake", "--install", BUILD, "--prefix", self.path("usr"))
        for program in PROGRAMS:
            self.assertTrue(os.access(self.path("usr/bin/" + program), os.X_OK))
            for path in (f"man/man1/{program}.1.gz", f"bash-completion/completions/{program}",
                         f"zsh/vendor-completions/_{program}", f"fish/vendor_completions.d/{program}.fish"):
                self.assertTrue(os.path.getsize(self.path("usr/share/" + path)), path)
        path = self.write_job(driven(grid__q__count=3, grid__a__count=3))
        self.env["PATH"] = "/usr/bin:/bin"  # they find each other side by side
        subprocess.run([self.path("usr/bin/hillsweep"), "run", "--full", path], cwd=self.folder, env=self.env,
                       check=True, capture_output=True, timeout=HANGS_S)


if __name__ == "__main__":
    unittest.main()
