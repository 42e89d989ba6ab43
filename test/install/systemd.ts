/** Boots a folder that holds a Debian with systemd, in namespaces of its own and without a network but loopback. Needs root. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

/** pivot_root, not chroot: the kernel denies user namespaces, which isolate workers, to processes in a chroot. */
const script = `
set -eu
ip link set lo up
cd "$0"
mount --bind . .
cd "$0"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
for folder in run tmp dev; do mount -t tmpfs tmpfs $folder; done
for device in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 dev/\${device%:*} c 1 \${device#*:}; done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mkdir -p before
pivot_root . before
umount -l before
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=multi-user.target
`;

export class Booted {
  readonly #outer: ChildProcess;
  readonly #pid: string;

  private constructor(outer: ChildProcess, pid: string) {
    this.#outer = outer;
    this.#pid = pid;
  }

  static async boot(root: string): Promise<Booted> {
    const namespaces = ['--net', '--pid', '--fork', '--kill-child', '--mount', '--propagation', 'private', '--cgroup', '--uts', '--ipc'];
    const outer = spawn('unshare', [...namespaces, 'bash', '-c', script, root], { stdio: ['ignore', 'ignore', 'inherit'] });
    while (outer.exitCode === null) {
      const pid = readFileSync(`/proc/${outer.pid}/task/${outer.pid}/children`, 'utf8').trim();
      const booted = new Booted(outer, pid);
      // `degraded`: without hardware, units of no concern fail.
      if (pid !== '' && /^(running|degraded)/.test(booted.run('systemctl', 'is-system-running').stdout)) return booted;
      await new Promise((done) => setTimeout(done, 200));
    }
    throw new Error(`unshare exited with ${outer.exitCode} before systemd had booted`);
  }

  /** Runs a command inside, as root. */
  run(command: string, ...args: string[]): { status: number | null; stdout: string; stderr: string } {
    const env = ['env', '-i', 'PATH=/opt/penstock/bin:/usr/sbin:/usr/bin:/bin', 'PENSTOCK_DATA_DIR=/var/lib/penstock'];
    return spawnSync('nsenter', ['-t', this.#pid, '-a', '--wd=/', ...env, command, ...args], { cwd: '/', encoding: 'utf8' });
  }

  succeed(command: string, ...args: string[]): string {
    const { status, stdout, stderr } = this.run(command, ...args);
    assert.equal(status, 0, `${command} ${args.join(' ')}: ${stderr}${stdout}`);
    return stdout;
  }

  /** Runs a command inside until its output matches. The caller's timeout ends the wait. */
  async until(pattern: RegExp, command: string, ...args: string[]): Promise<string> {
    for (;;) {
      const { stdout } = this.run(command, ...args);
      if (pattern.test(stdout)) return stdout;
      await new Promise((done) => setTimeout(done, 200));
    }
  }

  async end(): Promise<void> {
    if (this.#outer.exitCode !== null || this.#outer.signalCode !== null) return;
    this.#outer.kill('SIGKILL');
    await once(this.#outer, 'exit');
  }
}
