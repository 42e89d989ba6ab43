/**
 * The agent of a host as a process of its own, for tests that kill it: `node agent-process.ts PORT FOLDER [IDENTITY]`. Its
 * link has TLS if it has an identity, as JSON.
 */
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { SystemClock } from '../src/clock.ts';
import { AgentArtifacts } from '../src/hosts/agent/agent-artifacts.ts';
import { HostAgent } from '../src/hosts/agent/host-agent.ts';
import type { LinkIdentity } from '../src/links/index.ts';
import { isolationSettings, LocalProvider } from '../src/providers/index.ts';
import { SystemRandom } from '../src/random.ts';
import { FileHasher, VerifiedFiles } from '../src/storage/index.ts';
import { silentLog as log } from './hosts-fixture.ts';

const [port = '', folder = '', identity = ''] = process.argv.slice(2);
const clock = new SystemClock();
const verified = new VerifiedFiles(new FileHasher());
const parts: { agent?: HostAgent } = {};
const inUse = (): ReadonlySet<string> => parts.agent?.workers.artifacts ?? new Set();
const artifacts = new AgentArtifacts({ clock, log, folder: join(folder, 'objects'), bytesMax: 2 ** 30, verified, inUse });
const stateDirectory = join(folder, 'state');
mkdirSync(stateDirectory, { recursive: true });
const isolation = isolationSettings({ mode: 'none' });
const provider = new LocalProvider({
  clock,
  log,
  stateDirectory,
  warmWorkers: 0,
  isolation,
  fetchFile: (sha256) => artifacts.fetch(sha256),
});
await provider.open();
parts.agent = new HostAgent({
  clock,
  random: new SystemRandom(),
  log,
  provider,
  artifacts,
  folder: join(folder, 'agent'),
  version: '0',
  zone: 'z1',
  cpuMilli: 8000,
  memoryMiB: 16_384,
  abilities: { isolation: 'none', architecture: process.arch, pythons: [] },
  keepMs: 60_000,
  dial: async () => {
    for (;;) {
      const socket = connect(Number(port), '127.0.0.1').setNoDelay(true).pause();
      try {
        await once(socket, 'connect');
        socket.on('error', () => undefined);
        if (identity === '') return socket;
        const { cert, key, authorities: ca } = JSON.parse(identity) as LinkIdentity;
        return connectTls({ socket, cert, key, ca, checkServerIdentity: () => undefined });
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  },
});
await parts.agent.run();
