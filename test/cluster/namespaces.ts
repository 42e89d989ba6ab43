/**
 * Machines of a test as network namespaces on one bridge, whose connections can be cut in silence, in both directions or in one. Needs root and
 * iproute2. A cut changes the neighbour entry of the sender: its frames go to an address that no machine has.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';

const nowhere = '02:50:00:00:00:ff';

/** False if they can be made; else the reason, for node:test to print. */
export function whyNoNamespaces(): string | false {
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  try {
    const name = `pk${process.pid}t`;
    ip('netns', 'add', name);
    ip('netns', 'del', name);
    return false;
  } catch (error) {
    return `network namespaces cannot be made: ${String(error)}`;
  }
}

interface Machine {
  /** Null: this process, which is on the bridge as well. */
  readonly namespace: string | null;
  readonly device: string;
  readonly address: string;
  readonly mac: string;
}

/** Passes connections to a port of the machine on to the same port of its loopback address. */
const forwarder = `const [address, port] = process.argv.slice(1);
const net = require('node:net');
net.createServer((near) => {
  const far = net.connect(Number(port), '127.0.0.1');
  for (const [one, other] of [[near, far], [far, near]]) one.on('error', () => other.destroy()).on('close', () => other.destroy()).pipe(other);
}).listen(Number(port), address, () => console.log('listens'));`;

/** The machine of the test itself. */
export const testMachine = 'test';

export class Namespaces {
  readonly #prefix = `pk${process.pid}`;
  readonly #machines = new Map<string, Machine>();
  readonly #cuts: (readonly [string, string])[] = [];
  readonly #forwarders: ChildProcess[] = [];
  readonly #network = `10.231.${process.pid % 256}`;

  /** Names have at most 6 characters. */
  static create(...names: readonly string[]): Namespaces {
    const namespaces = new Namespaces();
    try {
      namespaces.#open([testMachine, ...names]);
    } catch (error) {
      namespaces.close();
      throw error;
    }
    return namespaces;
  }

  /** What comes before a command that runs on the machine. */
  on(name: string): readonly [string, ...string[]] {
    return ['nsenter', `--net=/run/netns/${this.#machine(name).namespace}`, '--'];
  }

  address(name: string): string {
    return this.#machine(name).address;
  }

  /** Makes a port, at which a program of the machine listens for its own connections only, one that other machines reach. */
  async forward(name: string, port: number): Promise<void> {
    const [command, ...args] = this.on(name);
    const child = spawn(command, [...args, process.execPath, '-e', forwarder, this.address(name), `${port}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#forwarders.push(child);
    await once(child.stdout, 'data');
  }

  /** From now on, nothing arrives that `from` sends to `to`. */
  cut(from: string, to: string): void {
    this.#reach(from, to, nowhere);
    this.#cuts.push([from, to]);
  }

  heal(): void {
    for (const [from, to] of this.#cuts.splice(0)) this.#reach(from, to, this.#machine(to).mac);
  }

  close(): void {
    for (const child of this.#forwarders) child.kill('SIGKILL');
    for (const { namespace, device } of this.#machines.values())
      try {
        if (namespace === null) ip('link', 'del', device);
        else ip('netns', 'del', namespace);
      } catch {}
    try {
      ip('netns', 'del', this.#bridge);
    } catch {}
  }

  get #bridge(): string {
    return `${this.#prefix}br`;
  }

  #open(names: readonly string[]): void {
    const bridge = this.#bridge;
    ip('netns', 'add', bridge);
    ip('-n', bridge, 'link', 'add', 'br0', 'type', 'bridge');
    ip('-n', bridge, 'link', 'set', 'br0', 'up');
    names.forEach((name, index) => {
      const number = index + 1;
      const namespace = name === testMachine ? null : `${this.#prefix}-${name}`;
      const machine = {
        namespace,
        device: `${this.#prefix}v${number}`,
        address: `${this.#network}.${number}`,
        mac: `02:50:00:00:00:${hex(number)}`,
      };
      if (namespace !== null) {
        ip('netns', 'add', namespace);
        ip('-n', namespace, 'link', 'set', 'lo', 'up');
      }
      this.#machines.set(name, machine);
      const { device, address, mac } = machine;
      ip('link', 'add', device, 'address', mac, 'type', 'veth', 'peer', 'name', `p${number}`, 'netns', bridge);
      if (namespace !== null) ip('link', 'set', device, 'netns', namespace);
      ip('-n', bridge, 'link', 'set', `p${number}`, 'master', 'br0', 'up');
      this.#ip(machine, 'addr', 'add', `${address}/24`, 'dev', device);
      this.#ip(machine, 'link', 'set', device, 'up');
    });
    for (const from of names) for (const to of names) if (from !== to) this.#reach(from, to, this.#machine(to).mac);
  }

  #reach(from: string, to: string, mac: string): void {
    const machine = this.#machine(from);
    this.#ip(machine, 'neigh', 'replace', this.address(to), 'lladdr', mac, 'dev', machine.device, 'nud', 'permanent');
  }

  #ip({ namespace }: Machine, ...args: readonly string[]): void {
    ip(...(namespace === null ? [] : ['-n', namespace]), ...args);
  }

  #machine(name: string): Machine {
    const machine = this.#machines.get(name);
    if (machine === undefined) throw new Error(`there is no machine ${name}`);
    return machine;
  }
}

function hex(number: number): string {
  return number.toString(16).padStart(2, '0');
}

function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
