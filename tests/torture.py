"""Tortures small runs, and counts what came of it.

    python tests/torture.py --command=kegnet --kills=100 --fills=20 --starts=20 --spoils=1000
    python tests/torture.py --command=reproduce-ray --kills=100

Kills runs at random moments, fills their disk, starts several at once, and spoils every file of a
finished one; each time the run is then ended as its user would, by the same command, and must end
as an undisturbed one. Files of somebody else lie among those of the run, and must stay.
"""

import argparse
import collections
import contextlib
import dataclasses
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid

import numpy as np
import psutil

BIN = pathlib.Path(sys.executable).parent
SMALL = {
    "num_generators": 2,
    "generator.units": (8,),
    "generator.filters": (4, 2),
    "decoder.units": 8,
    "extraction.batch_size": 8,
    "extraction.epochs": 3,
    "extraction.steps_per_epoch": 5,
    "keep_unrecognised": True,
    "held_out": 16,
    "batch_size": 8,
    "distillation.epochs": 2,
    "distillation.steps_per_epoch": 5,
    "distillation.loss": "logits",
    "distillation.batch_norm": "inference",
}
FILES = {"notes.txt": "years of work", "partial-report.json": "mine", "students/mine.keras": "mine"}
SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT")
WAIT = 300  # seconds that a command may take at most


@dataclasses.dataclass
class Torture:
    """One command, tortured in a folder of its own.

    Attributes:
        command: "kegnet", "reproduce" or "reproduce-ray".
        scratch: folder for everything.
        seed: of all that is random.
    """

    command: str
    scratch: pathlib.Path
    seed: int = 0

    def __post_init__(self):
        self.random = random.Random(self.seed)
        self.counts, self.faults = collections.Counter(), []
        self.mark = uuid.uuid4().hex  # in the environment of every process that a command starts
        self.number, self.placed = 0, None
        x = np.random.default_rng(0).normal(size=(30, 32, 32, 1)).astype(np.float32)
        np.savez(self.scratch / "test.npz", x=x, y=np.arange(30) % 10)

    def arguments(self, workdir):
        """The command line of a run."""
        settings = dict(SMALL)
        own = ["--dataset=mnist", "--quick", f"--eval_data={self.scratch / 'test.npz'}"]
        if self.command == "kegnet":
            own += ["--students=student3", "--minutes=600"]  # no plan is cut on a busy machine
            settings |= {"export.formats": ("litert_float32",), "save_synthetic": 20}
        else:
            own += ["--students=student3", "--arms=tucker,uniform,kegnet+", "--seeds=1"]
            own += ["--executor=ray"] * self.command.endswith("ray")
        settings = [f"--config.{key}={value}" for key, value in settings.items()]
        binary = str(BIN / ("kegnet" if self.command == "kegnet" else "kegnet-reproduce"))
        return [sys.executable, binary, *own, *settings, f"--workdir={workdir}"]

    def start(self, workdir):
        """Starts the command in a session of its own."""
        self.number += 1
        log = (self.scratch / f"{self.number}.log").open("w+")
        none = str(self.scratch / "none")
        environment = {**os.environ, "TORTURE": self.mark, "TFDS_DATA_DIR": none}
        process = subprocess.Popen(
            self.arguments(workdir),
            stdout=subprocess.DEVNULL,
            stderr=log,
            cwd=self.scratch,
            env=environment,
            start_new_session=True,
        )
        process.log = log
        return process

    def ended(self, process, what):
        """Waits for the end of a command; returns its last line on standard error."""
        try:
            process.wait(WAIT)
        except subprocess.TimeoutExpired:
            self.fault(f"{what}: no end within {WAIT} seconds", process)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.log.seek(0)
        text = process.log.read()
        if "Traceback (most recent call last)" in text or "Exception ignored" in text:
            self.fault(f"{what}: a traceback", process)
        self.check_processes(what)
        return (text.strip().splitlines() or [""])[-1]

    def check_processes(self, what, patience=30.0):
        """Counts a fault for each process of the command that is left after some seconds."""
        deadline = time.monotonic() + patience
        while (left := self.left()) and time.monotonic() < deadline:
            time.sleep(0.2)
        for process in left:
            with contextlib.suppress(psutil.Error):
                self.fault(f"{what}: left behind {process.pid} {process.cmdline()[:3]}")
                process.kill()

    def left(self):
        """Processes that carry the mark of this torture."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                ours = process.environ().get("TORTURE") == self.mark
                if ours and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def fault(self, text, process=None):
        self.counts["faults"] += 1
        self.faults.append(text)
        print("FAULT", text, flush=True)
        if process:
            process.log.seek(0)
            print(process.log.read()[-3000:], flush=True)

    def finish(self, workdir, what, process=None):
        """Ends a run by the same command, and compares it with the undisturbed one."""
        process = process or self.start(workdir)
        line = self.ended(process, what)
        if process.returncode:
            self.fault(f"{what}: the run does not go on: {line}", process)
        elif self.result(workdir) != self.expected:
            self.fault(f"{what}: another result than undisturbed", process)
        else:
            self.counts["ended as undisturbed"] += 1
        self.check_folder(workdir, what)

    def check_folder(self, workdir, what):
        for name, text in FILES.items():
            path = workdir / self.students(name)
            gone = not path.is_file() or path.read_text() != text
            if self.placed == workdir and gone:
                self.fault(f"{what}: the user's {name} is gone")
        if found := [*workdir.rglob("partial-*-*-*")]:
            self.fault(f"{what}: left {found[0]}")

    def students(self, name):
        return name if self.command == "kegnet" else name.replace("students/", "mnist/students/")

    def place(self, workdir):
        """Puts files of a user among those of a run that has begun."""
        paths = {workdir / self.students(name): text for name, text in FILES.items()}
        if self.placed != workdir and all(path.parent.is_dir() for path in paths):
            for path, text in paths.items():
                path.write_text(text)
            self.placed = workdir
            self.counts["runs with files of somebody else"] += 1

    def result(self, workdir):
        """What a run comes to, without times: its report, and the digests of its files."""
        if self.command != "kegnet":
            return untimed(json.loads((workdir / "results.json").read_text()))
        report = untimed(json.loads((workdir / "report.json").read_text()))
        patterns = ("export/*.tflite", "teacher/*.tflite", "figures/*.png")
        files = [path for pattern in patterns for path in sorted(workdir.glob(pattern))]
        return report, {path.name: path.read_bytes() for path in files}

    def undisturbed(self):
        """Runs the command once, in peace."""
        folder, started = self.scratch / "undisturbed", time.monotonic()
        process = self.start(folder)
        line = self.ended(process, "undisturbed")
        if process.returncode:
            raise SystemExit(f"The undisturbed run failed: {line}")
        self.seconds, self.expected = time.monotonic() - started, self.result(folder)
        print(f"undisturbed: {self.seconds:.1f} s", flush=True)

    def kills(self, count):
        """Kills a run again and again at random moments, until it ends; then another one."""
        done = 0
        while done < count:
            folder = self.scratch / f"killed-{done}"
            while done < count:
                self.place(folder)
                process = self.start(folder)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(self.random.uniform(0.3, 1.1 * self.seconds))
                    break
                name, group = self.random.choice(SIGNALS), self.random.random() < 0.5
                send = os.killpg if group else os.kill
                send(process.pid, getattr(signal, name))
                done += 1
                self.counts[f"{name} to {'the group' if group else 'one process'}"] += 1
                line = self.ended(process, f"{name}, group {group}")
                if name != "SIGKILL" and process.returncode and "interrupted." not in line:
                    self.counts["killed before it could say so"] += process.returncode < 0
                    if process.returncode > 0:
                        self.fault(f"{name}: ended by {line!r}", process)
            else:
                self.place(folder)
                process = self.start(folder)
            self.finish(folder, "after kills", process)
            shutil.rmtree(folder)

    def starts(self, count):
        """Starts two commands at once in one folder; one of them must have it for itself."""
        for number in range(count):
            folder = self.scratch / f"started-{number}"
            first = self.start(folder)
            time.sleep(self.random.choice([0.0, self.random.uniform(0, self.seconds)]))
            second = self.start(folder)
            both = (first, second)
            for process in both:
                process.wait(WAIT)
            lines = [self.ended(process, "two at once") for process in both]
            refused = [line for line, each in zip(lines, both, strict=True) if each.returncode]
            self.counts["two at once"] += 1
            self.counts["refused beside another"] += len(refused)
            if len(refused) > 1 or not all("nobody else works in" in line for line in refused):
                self.fault(f"two at once: {refused}", first)
            else:
                self.finish(folder, "two at once", second if second.returncode == 0 else first)
            shutil.rmtree(folder)

    def fills(self, count):
        """Lets the disk run full at random points; with room again, the run must go on."""
        size = sum(p.stat().st_size for p in (self.scratch / "undisturbed").rglob("*.*"))
        place = self.scratch / "disk"
        place.mkdir()
        for _ in range(count):
            pages = max(1, int(self.random.uniform(0.0, 1.3) * size) // 4096)
            mount = ["mount", "-t", "tmpfs", "-o", f"size={4 * pages}k", "tmpfs", str(place)]
            if subprocess.run(mount, capture_output=True).returncode:
                print("Only root may mount a small disk: none was filled.", flush=True)
                return
            folder = place / "run"
            process = self.start(folder)
            line = self.ended(process, "full disk")
            self.counts["disks filled"] += bool(process.returncode)
            self.counts["disks with room enough"] += not process.returncode
            if process.returncode and "disk is full" not in line:
                self.fault(f"full disk: ended by {line!r}", process)
            subprocess.run(["mount", "-o", "remount,size=100m", str(place)], check=True)
            self.finish(folder, "full disk")
            subprocess.run(["umount", str(place)], check=True)

    def spoils(self, count):
        """Spoils each file of a finished run in four ways, one after another, at most `count`."""
        whole = self.scratch / "undisturbed"
        names = [
            str(path.relative_to(whole))
            for path in sorted(whole.rglob("*"))
            if path.is_file() and path.name != ".lock"
        ]
        cases = [(name, way) for name in names for way in ("cut", "flipped", "deleted", "foreign")]
        self.random.shuffle(cases)
        for name, way in cases[:count]:
            folder = self.scratch / "spoilt"
            shutil.copytree(whole, folder)
            path = folder / name
            spoil(path, way, self.random)
            process = self.start(folder)
            line, what = self.ended(process, f"{way} {name}"), f"{way} {name}"
            self.counts[f"files {way}"] += 1
            if process.returncode:
                self.counts["refused by name"] += 1
                if path.name not in line:
                    self.fault(f"{what}: ended by {line!r}", process)
            elif self.result(folder) != self.expected:
                self.fault(f"{what}: another result than undisturbed", process)
            else:
                self.counts["made anew, or not needed"] += 1
            looked_at = "tensorboard" in name
            if way == "foreign" and not looked_at and not self.survives(folder):
                self.fault(f"{what}: what somebody put there is gone", process)
            shutil.rmtree(folder)

    def survives(self, folder):
        return any(path.read_bytes() == FOREIGN for path in folder.rglob("*") if path.is_file())


FOREIGN = b"what somebody put there"


def spoil(path, way, generator):
    """Cuts, flips a bit of, deletes or replaces a file."""
    content = path.read_bytes()
    if way == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif way == "flipped" and content:
        place = generator.randrange(len(content))
        flipped = content[place] ^ (1 << generator.randrange(8))
        path.write_bytes(content[:place] + bytes([flipped]) + content[place + 1 :])
    elif way == "deleted":
        path.unlink()
    elif way == "foreign":
        path.write_bytes(FOREIGN)


def untimed(content):
    """Without the seconds that its parts took."""
    if isinstance(content, dict):
        times = ("seconds", "milliseconds", "xnnpack", "threads", "beaten_by", "recommendation")
        return {key: untimed(value) for key, value in content.items() if key not in times}
    return [untimed(each) for each in content] if isinstance(content, list) else content


def torture(command, scratch, seed=0, **counts):
    """Does it all; returns what was counted, and the faults.

    Args:
        command: as in `Torture`.
        scratch: an empty folder.
        seed: as in `Torture`.
        **counts: of `kills`, `starts`, `fills` and `spoils`.
    """
    tortured = Torture(command, scratch, seed)
    tortured.undisturbed()
    for way, count in counts.items():
        if count:
            getattr(tortured, way)(count)
            print(way, "done:", dict(tortured.counts), flush=True)
    return tortured.counts, tortured.faults


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--command", default="kegnet")
    parser.add_argument("--seed", type=int, default=0)
    for each in ("kills", "starts", "fills", "spoils"):
        parser.add_argument(f"--{each}", type=int, default=0)
    given = vars(parser.parse_args())
    with tempfile.TemporaryDirectory() as made:
        counted, found = torture(scratch=pathlib.Path(made), **given)
    print(json.dumps({**given, **counted, "found": found}, indent=2))
    sys.exit(bool(found))
